#include "fuse/recent_blocks.h"

namespace warmfs::fuse {

void RecentBlocks::Put(uint64_t index, Block block) {
  const Key key(block.version.id, index);
  absl::MutexLock lock(&mu_);
  Block& held = blocks_[key];
  if (held.bytes == nullptr) {
    order_.push_back(key);
  } else {
    bytes_ -= held.bytes->size();
  }
  bytes_ += block.bytes->size();
  held = std::move(block);
  while (bytes_ > kMostBytes) {
    const auto oldest = blocks_.find(order_.front());
    order_.pop_front();
    bytes_ -= oldest->second.bytes->size();
    blocks_.erase(oldest);
  }
}

void RecentBlocks::Drop(const FileId& file) {
  absl::MutexLock lock(&mu_);
  std::erase_if(order_, [&](const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (key.first != file) return false;
    const auto it = blocks_.find(key);
    bytes_ -= it->second.bytes->size();
    blocks_.erase(it);
    return true;
  });
}

std::optional<RecentBlocks::Block> RecentBlocks::Get(const FileId& file,
                                                     uint64_t index) const {
  absl::MutexLock lock(&mu_);
  const auto it = blocks_.find(Key(file, index));
  if (it == blocks_.end()) return std::nullopt;
  return it->second;
}

}  // namespace warmfs::fuse
