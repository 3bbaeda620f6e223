#include "fuse/prefetch.h"

#include <algorithm>
#include <utility>

namespace warmfs::fuse {

void Prefetch::Expect(const FileId& file) {
  absl::MutexLock lock(&mu_);
  if (expected_.size() >= kMostExpected) {
    expected_before_ = std::exchange(expected_, {});
  }
  expected_.insert(file);
}

int Prefetch::FilesAhead(const FileId& dir, const FileId& file, Instant now) {
  absl::MutexLock lock(&mu_);
  // Forgetting them all costs a restart of each streak, and bounds the memory
  // with no order to maintain.
  if (streaks_.size() >= kRemembered && !streaks_.contains(dir)) {
    streaks_.clear();
  }
  Streak& streak = streaks_[dir];
  const auto recent = [now](const Streak& s) {
    return s.last_read != 0 && now - s.last_read < kWithin;
  };
  const bool expected =
      expected_.contains(file) || expected_before_.contains(file);
  if (expected && recent(latest_)) streak = latest_;
  if (recent(streak)) {
    streak.files = std::clamp(streak.files * 2, 8, kMostFiles);
    latest_ = {now, streak.files};
  } else {
    streak.files = recent(latest_) ? latest_.files : 0;
    latest_ = Streak();
  }
  streak.last_read = now;
  return streak.files;
}

Prefetch::Span Prefetch::Blocks(const FileId& file, uint64_t first,
                                uint64_t last) {
  const uint64_t window = first / kWindowBlocks;
  absl::MutexLock lock(&mu_);
  if (last_window_.size() >= kRemembered && !last_window_.contains(file)) {
    last_window_.clear();
  }
  // A first read at the start of a file is taken for a sequential one.
  uint64_t& remembered = last_window_.try_emplace(file, 0).first->second;
  const uint64_t before =
      std::exchange(remembered, std::max(last / kWindowBlocks, window));
  const bool near = window + 1 >= before && window <= before + 2;
  if (!near) return {first, last};
  return {window * kWindowBlocks,
          std::max(last, window * kWindowBlocks + kWindowBlocks - 1)};
}

}  // namespace warmfs::fuse
