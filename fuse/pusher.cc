#include "fuse/pusher.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace warmfs::fuse {

Pusher::Pusher(FileSystem& fs, Kernel kernel)
    : fs_(fs), kernel_(std::move(kernel)) {}

bool Pusher::Add(const Ahead& ahead) {
  absl::MutexLock lock(&mu_);
  if (batch_.contains(ahead.file)) return false;
  if (to_skip_ > 0) {
    --to_skip_;
    return false;
  }
  reader_ = ahead;  // those before it have read on since
  return true;
}

bool Pusher::Step() {
  if (!files_to_push_.empty()) {
    Push(files_to_push_.front());
    files_to_push_.pop_front();
    return true;
  }
  Ahead ahead;
  {
    absl::MutexLock lock(&mu_);
    if (!reader_) return false;
    ahead = *std::exchange(reader_, std::nullopt);
    // Added before the batch was planned.
    if (batch_.contains(ahead.file)) return true;
  }
  Plan(ahead);
  return true;
}

void Pusher::Plan(const Ahead& ahead) {
  // Of one alone nothing is pushed; it is what the reader comes to just now.
  constexpr size_t kWorthIt = 2;
  const auto file = fs_.tree_.Look(ahead.file);
  if (!file) return;
  const auto lacks = [this](const FileId& id) {
    const auto known = fs_.tree_.GlanceAt(id);
    return known && !known->kernel_has_content;
  };
  const auto files = fs_.Following(*file, ahead.files, lacks);
  absl::MutexLock lock(&mu_);
  skipped_ =
      files.size() < kWorthIt ? std::clamp(2 * skipped_, 1, kMostSkipped) : 0;
  to_skip_ = skipped_;
  batch_.clear();
  // All but the last.
  for (size_t i = 0; i + 1 < files.size(); ++i) {
    const NodeId node = fs_.tree_.Find(files[i].attr.id);
    files_to_push_.push_back(node);
    batch_.insert(node);
  }
}

void Pusher::Push(NodeId node) {
  const auto file = fs_.tree_.Look(node);
  if (!file || file->kernel_has_content || file->changed_by_us ||
      file->attr_fresh_at != kForever) {
    return;
  }
  Blocks blocks;
  if (!fs_.TakeFromCache(*file, 0, blocks)) return;
  fs_.drops_.MayHave(node, 0, blocks[0]->size());
  if (!kernel_.store(node, *blocks[0])) return;
  if (!fs_.tree_.NoteKernelHas(node, file->attr.version())) {
    return kernel_.drop(node);
  }
  ++files_;
  bytes_ += blocks[0]->size();
}

}  // namespace warmfs::fuse
