#include "fuse/scout.h"

#include <algorithm>
#include <utility>

namespace warmfs::fuse {

std::vector<NodeRef> Scout::Ahead(const NodeRef& dir, Instant now) {
  constexpr int kUnforeseen = 3;
  constexpr int kFirst = 8;
  absl::MutexLock lock(&mu_);
  const bool recent = last_ != 0 && now - last_ < kWithin;
  const bool right = batch_.size() * 2 <= batch_size_;
  last_ = now;
  if (!recent) known_.clear();
  if (!recent || !right) unforeseen_ = most_ = 0;
  batch_.clear();
  batch_size_ = 0;
  // He goes on from the end that this one is nearer to: the last that were told
  // of if he goes down first, the first if he goes level by level.
  const auto at =
      std::find_if(known_.begin(), known_.end(),
                   [&](const NodeRef& r) { return r.id == dir.id; });
  const bool from_end = at - known_.begin() >= known_.end() - at;
  if (at != known_.end()) known_.erase(at);
  if (++unforeseen_ < kUnforeseen) return {};
  most_ = std::clamp(most_ * 2, kFirst, kMostAhead);
  std::vector<NodeRef> taken;
  while (taken.size() < static_cast<size_t>(most_) && !known_.empty()) {
    taken.push_back(std::move(from_end ? known_.back() : known_.front()));
    from_end ? known_.pop_back() : known_.pop_front();
  }
  return taken;
}

void Scout::Came(const FileId& dir) {
  absl::MutexLock lock(&mu_);
  batch_size_ += batch_.insert(dir).second ? 1 : 0;
}

void Scout::LeftOff(NodeRef dir) {
  absl::MutexLock lock(&mu_);
  if (known_.size() < kMostKnown) known_.push_back(std::move(dir));
}

void Scout::Listed(const std::string& path,
                   absl::Span<const DirEntry> entries) {
  const std::string prefix = path.empty() ? "" : path + "/";
  absl::MutexLock lock(&mu_);
  for (const DirEntry& entry : entries) {
    if (!entry.attr.IsDirectory()) continue;
    if (known_.size() >= kMostKnown) known_.pop_front();
    known_.push_back({prefix + entry.name, entry.attr.id});
  }
}

void Scout::Wanted(const FileId& dir) {
  absl::MutexLock lock(&mu_);
  batch_.erase(dir);
}

}  // namespace warmfs::fuse
