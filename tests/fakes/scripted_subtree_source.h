// A subtree source whose changes a test makes up: in any order, as many as it
// likes, late, or lost. Markers come at once, behind what is queued, unless
// they are lost.
//
// Thread-safe.

#ifndef WARMFS_TESTS_FAKES_SCRIPTED_SUBTREE_SOURCE_H_
#define WARMFS_TESTS_FAKES_SCRIPTED_SUBTREE_SOURCE_H_

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hostd/subtree_source.h"

namespace warmfs::hostd {

class ScriptedSubtreeSource final : public SubtreeSource {
 public:
  // --- the test's side ---
  void Queue(Change change) {
    absl::MutexLock lock(&mu_);
    queue_.push_back(std::move(change));
  }
  // "d/f" is the name "f" in the directory "d".
  void Queue(ChangeKind kind, const std::string& place, FileId id = {}) {
    Queue(ChangeAt(kind, place, id));
  }
  // Both halves at once, as a system queues them.
  void QueueMove(const std::string& from, const std::string& to) {
    absl::MutexLock lock(&mu_);
    queue_.push_back(ChangeAt(ChangeKind::kMovedFrom, from));
    queue_.push_back(ChangeAt(ChangeKind::kMovedTo, to));
  }
  // Nothing that is queued is handed out until Release.
  void Hold() { SetHeld(true); }
  void Release() { SetHeld(false); }
  // What is queued does not come.
  void LoseQueued() {
    absl::MutexLock lock(&mu_);
    queue_.clear();
  }
  // The next markers do not come, or cannot be placed.
  void LoseMarkers(int count) {
    absl::MutexLock lock(&mu_);
    lost_markers_ = count;
  }
  void RefuseMarkers(int error) {
    absl::MutexLock lock(&mu_);
    marker_error_ = error;
  }
  void TellCloses() { ways_.tells_closes = true; }  // before it is used
  uint64_t markers() const {
    absl::MutexLock lock(&mu_);
    return last_marker_;
  }

  // --- SubtreeSource ---
  int PlaceMarker(uint64_t number) override {
    absl::MutexLock lock(&mu_);
    if (marker_error_ != 0) return marker_error_;
    last_marker_ = number;
    if (lost_markers_ > 0) {
      --lost_markers_;
    } else {
      queue_.push_back({.kind = ChangeKind::kMarker, .marker = number});
    }
    return 0;
  }
  void Wait(absl::Duration timeout) override {
    absl::MutexLock lock(&mu_);
    const auto ready = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return woken_ || (!held_ && !queue_.empty());
    };
    mu_.AwaitWithTimeout(absl::Condition(&ready), timeout);
    woken_ = false;
  }
  void Wake() override {
    absl::MutexLock lock(&mu_);
    woken_ = true;
  }
  void Take(std::vector<Change>* out) override {
    absl::MutexLock lock(&mu_);
    if (held_) return;
    std::move(queue_.begin(), queue_.end(), std::back_inserter(*out));
    queue_.clear();
  }
  Ways ways() const override { return ways_; }

 private:
  static Change ChangeAt(ChangeKind kind, const std::string& place,
                         FileId id = {}) {
    const size_t slash = place.rfind('/');
    Change change{.kind = kind, .id = id};
    if (slash != place.npos) change.path = place.substr(0, slash);
    change.name = place.substr(slash + 1);
    return change;
  }
  void SetHeld(bool held) {
    absl::MutexLock lock(&mu_);
    held_ = held;
  }

  mutable absl::Mutex mu_;
  std::vector<Change> queue_ ABSL_GUARDED_BY(mu_);
  int lost_markers_ ABSL_GUARDED_BY(mu_) = 0;
  int marker_error_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t last_marker_ ABSL_GUARDED_BY(mu_) = 0;
  bool held_ ABSL_GUARDED_BY(mu_) = false;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  Ways ways_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_FAKES_SCRIPTED_SUBTREE_SOURCE_H_
