#include "fuse/prefetch.h"

#include <algorithm>

namespace warmfs::fuse {

int Prefetch::FilesAhead(const FileId& dir, Instant now) {
  absl::MutexLock lock(&mu_);
  // Forgetting them all costs a restart of each streak, and bounds the memory
  // with no order to maintain.
  if (streaks_.size() >= kRemembered && !streaks_.contains(dir)) {
    streaks_.clear();
  }
  Streak& streak = streaks_[dir];
  const bool goes_on =
      streak.last_miss != 0 && now - streak.last_miss < kWithin;
  streak.last_miss = now;
  streak.files =
      goes_on ? std::clamp(streak.files * 2, 8, kMostFiles) : 0;
  return streak.files;
}

uint64_t Prefetch::LastBlock(const FileId& file, uint64_t first,
                             uint64_t last) {
  absl::MutexLock lock(&mu_);
  if (next_block_.size() >= kRemembered && !next_block_.contains(file)) {
    next_block_.clear();
  }
  auto [it, fresh] = next_block_.try_emplace(file, 0);
  // A first read at the start of a file is taken for a sequential one.
  const bool sequential = first == it->second;
  if (sequential) last = std::max(last, first + kWindowBlocks - 1);
  it->second = last + 1;
  return last;
}

}  // namespace warmfs::fuse
