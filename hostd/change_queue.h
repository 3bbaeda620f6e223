// Changes between the thread that hears of them and the one that takes them:
// the half of a subtree source that is the same for all.
//
// Bounded: beyond kMost all that waits goes, and kLost is in its place.
// Thread-safe.

#ifndef WARMFS_HOSTD_CHANGE_QUEUE_H_
#define WARMFS_HOSTD_CHANGE_QUEUE_H_

#include <iterator>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hostd/subtree_source.h"

namespace warmfs::hostd {

class ChangeQueue {
 public:
  static constexpr size_t kMost = 1 << 20;

  // Moves them out of the vector, and says that they are taken now.
  void Push(std::vector<Change>* changes) ABSL_LOCKS_EXCLUDED(mu_) {
    const Timestamp now = StampOf(absl::Now());
    for (Change& change : *changes) change.taken = now;
    absl::MutexLock lock(&mu_);
    if (queue_.size() + changes->size() > kMost) {
      queue_.clear();
      queue_.push_back({.kind = ChangeKind::kLost, .taken = now});
    }
    std::move(changes->begin(), changes->end(), std::back_inserter(queue_));
    changes->clear();
  }

  // --- as SubtreeSource's ---
  void Wait(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    const auto ready = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return woken_ || !queue_.empty();
    };
    mu_.AwaitWithTimeout(absl::Condition(&ready), timeout);
    woken_ = false;
  }
  void Wake() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    woken_ = true;
  }
  void Take(std::vector<Change>* out) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    std::move(queue_.begin(), queue_.end(), std::back_inserter(*out));
    queue_.clear();
  }

 private:
  absl::Mutex mu_;
  std::vector<Change> queue_ ABSL_GUARDED_BY(mu_);
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_CHANGE_QUEUE_H_
