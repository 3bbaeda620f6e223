#include "cache/recency.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace warmfs::cache {

uint64_t Recency::Touch(const FileId& id) {
  const auto now = static_cast<uint64_t>(absl::GetCurrentTimeNanos() / 1000);
  absl::MutexLock lock(&mu_);
  last_stamp_ = std::max(last_stamp_ + 1, now);
  const auto it = touched_.find(id);
  if (it != touched_.end()) {
    it->second = last_stamp_;
  } else if (touched_.size() < kMaxFiles) {
    touched_[id] = last_stamp_;
  }
  return last_stamp_;
}

bool Recency::WantsWriting() const {
  absl::MutexLock lock(&mu_);
  return touched_.size() >= kMaxFiles / 2;
}

Recency::Stamps Recency::Take() {
  Stamps taken;
  absl::MutexLock lock(&mu_);
  taken.swap(touched_);
  return taken;
}

}  // namespace warmfs::cache
