#include "hostd/recent_files.h"

#include <utility>

#include "hostd/file.h"

namespace warmfs::hostd {

RecentFiles::RecentFiles(FdBudget& budget)
    : terms_{FdShelf(kMost, budget), FdShelf(kMost, budget)} {}

void RecentFiles::Keep(const FileId& id, UniqueFd pin) {
  if (!PinsAreUnnoticed()) return;
  FdShelf::Gone gone;  // closed after the lock is given back
  absl::MutexLock lock(&mu_);
  gone = terms_[current_].Keep(id, std::move(pin));
}

UniqueFd RecentFiles::Find(const FileId& id) const {
  absl::MutexLock lock(&mu_);
  UniqueFd found = terms_[current_].Duplicate(id);
  return found ? std::move(found) : terms_[1 - current_].Duplicate(id);
}

void RecentFiles::Sweep(absl::Time now) {
  absl::MutexLock lock(&mu_);
  if (now - began_ < kTerm) return;
  began_ = now;
  current_ = 1 - current_;
  terms_[current_].Clear();
}

}  // namespace warmfs::hostd
