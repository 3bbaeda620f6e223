// Positions in a subtree source's stream: the numbers of its markers. What
// comes between the marker n - 1 and the marker n is at n.
//
// A marker that is to come is behind everything that has been done by now: so
// the end of a claim is the number of the next one. What has come already is
// before everything that is yet to be done: so its beginning is the last one
// that came.
//
// Thread-safe. mu_ is held while a marker is placed, since numbers are placed
// in their order.

#ifndef WARMFS_HOSTD_MARKERS_H_
#define WARMFS_HOSTD_MARKERS_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hostd/claims.h"
#include "hostd/subtree_source.h"

namespace warmfs::hostd {

class Markers final : public EventQueue {
 public:
  // `source` outlives it.
  explicit Markers(SubtreeSource& source) : source_(source) {}

  enum class For { kFence, kClaims };
  // An errno: none was placed.
  int Place(For what, uint64_t* number) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    // Noted first: what ends meanwhile ends with the one after it, and this one
    // may come before the call returns.
    *number = ++placed_;
    if (what == For::kFence) last_fence_ = *number;
    return source_.PlaceMarker(*number);
  }
  void SetCome(uint64_t number) { come_ = number; }

  uint64_t last_fence() const { return last_fence_; }
  uint64_t placed() const { return placed_; }
  uint64_t come() const { return come_; }

  // --- EventQueue ---
  uint64_t Mark() override { return placed_ + 1; }
  uint64_t MarkBefore() override { return come_; }
  bool exact() const override { return false; }

 private:
  SubtreeSource& source_;
  absl::Mutex mu_;
  std::atomic<uint64_t> placed_{0};
  std::atomic<uint64_t> last_fence_{0};
  std::atomic<uint64_t> come_{0};
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_MARKERS_H_
