#include "cache/distrust.h"

namespace warmfs::cache {

void Distrust::Add(absl::Span<const FileId> ids) {
  absl::MutexLock lock(&mu_);
  for (const FileId& id : ids) {
    if (ids_.size() < kMaxIds) ids_[id] = ++last_ticket_;
  }
  size_ = ids_.size();
}

void Distrust::Remove(absl::Span<const FileId> ids) {
  if (empty()) return;
  absl::MutexLock lock(&mu_);
  for (const FileId& id : ids) ids_.erase(id);
  size_ = ids_.size();
}

void Distrust::RemoveIfUnchanged(const FileId& id, Ticket ticket) {
  absl::MutexLock lock(&mu_);
  const auto it = ids_.find(id);
  if (it != ids_.end() && it->second == ticket) ids_.erase(it);
  size_ = ids_.size();
}

bool Distrust::Contains(const FileId& id) const {
  if (empty()) return false;
  absl::MutexLock lock(&mu_);
  return ids_.contains(id);
}

std::vector<std::pair<FileId, Distrust::Ticket>> Distrust::All() const {
  absl::MutexLock lock(&mu_);
  return {ids_.begin(), ids_.end()};
}

}  // namespace warmfs::cache
