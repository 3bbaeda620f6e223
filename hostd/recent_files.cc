#include "hostd/recent_files.h"

#include <utility>

#include "hostd/file.h"

namespace warmfs::hostd {

void RecentFiles::Keep(const FileId& id, UniqueFd pin) {
  if (!PinsAreUnnoticed()) return;
  FdShelf::Gone gone;  // closed after the lock is given back
  absl::MutexLock lock(&mu_);
  gone = this_term_->Keep(id, std::move(pin));
}

UniqueFd RecentFiles::Find(const FileId& id) const {
  absl::MutexLock lock(&mu_);
  UniqueFd found = this_term_->Duplicate(id);
  return found ? std::move(found) : last_term_->Duplicate(id);
}

void RecentFiles::Sweep(absl::Time now) {
  std::unique_ptr<FdShelf> over;  // closed after the lock is given back
  absl::MutexLock lock(&mu_);
  if (now - began_ < kTerm) return;
  began_ = now;
  over = std::exchange(last_term_, std::exchange(this_term_, NewTerm()));
}

}  // namespace warmfs::hostd
