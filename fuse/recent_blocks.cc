#include "fuse/recent_blocks.h"

namespace warmfs::fuse {

void RecentBlocks::Put(uint64_t index, Block block) {
  const FileId id = block.version.id;
  absl::MutexLock lock(&mu_);
  Held& held = files_[id][index];
  if (held.number == 0) {
    held.number = ++last_number_;
    order_.push_back({id, index, held.number});
  } else {
    bytes_ -= held.block.bytes->size();
  }
  bytes_ += block.bytes->size();
  held.block = std::move(block);
  while (bytes_ > kMostBytes || order_.size() > kMostBlocks) DropOldest();
}

void RecentBlocks::DropOldest() {
  const Place place = order_.front();
  order_.pop_front();
  const auto file = files_.find(place.file);
  if (file == files_.end()) return;
  const auto it = file->second.find(place.index);
  if (it == file->second.end() || it->second.number != place.number) return;
  bytes_ -= it->second.block.bytes->size();
  file->second.erase(it);
  if (file->second.empty()) files_.erase(file);
}

void RecentBlocks::Drop(const FileId& file) {
  absl::MutexLock lock(&mu_);
  const auto it = files_.find(file);
  if (it == files_.end()) return;
  for (const auto& [index, held] : it->second) {
    bytes_ -= held.block.bytes->size();
  }
  files_.erase(it);
}

std::optional<RecentBlocks::Block> RecentBlocks::Get(const FileId& file,
                                                     uint64_t index) const {
  absl::MutexLock lock(&mu_);
  const auto blocks = files_.find(file);
  if (blocks == files_.end()) return std::nullopt;
  const auto it = blocks->second.find(index);
  if (it == blocks->second.end()) return std::nullopt;
  return it->second.block;
}

}  // namespace warmfs::fuse
