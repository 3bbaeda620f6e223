// Drops pages beside the notifier, for READs that stand in the way of its drop
// (page_drops.h).
//
// Each drop has a thread of its own: it may be held up in the kernel by another
// READ, which then asks for a drop of its own. Threads are made when they are
// needed, and kept. There are no more than kMost; beyond that a drop waits.
// Thread-safe.

#ifndef WARMFS_FUSE_OVERTAKER_H_
#define WARMFS_FUSE_OVERTAKER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fuse/node_view.h"

namespace warmfs::fuse {

class Overtaker {
 public:
  static constexpr size_t kMost = 16;

  explicit Overtaker(std::function<void(NodeId, uint64_t page)> drop);
  // Waits for the drops that have begun.
  ~Overtaker();

  // Returns at once.
  void Drop(NodeId node, uint64_t page) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop();
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || !queue_.empty();
  }

  const std::function<void(NodeId, uint64_t page)> drop_;
  absl::Mutex mu_;
  std::deque<std::pair<NodeId, uint64_t>> queue_ ABSL_GUARDED_BY(mu_);
  size_t idle_ ABSL_GUARDED_BY(mu_) = 0;  // threads
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_OVERTAKER_H_
