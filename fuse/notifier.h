// Tells the kernel to drop what it holds, from a thread of its own.
//
// A notification may wait in the kernel for a page or a directory that a request
// has locked, and that request may be waiting for one of our workers. So no
// worker ever sends one: it is queued here, and this thread, which no request
// needs, sends it.
//
// The queue holds each node once, so it is bounded by the nodes that the kernel
// knows; entries to drop are bounded by kMaxEntries, beyond which they are left
// to their time-out. Thread-safe.

#ifndef WARMFS_FUSE_NOTIFIER_H_
#define WARMFS_FUSE_NOTIFIER_H_

#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "fuse/tree.h"

namespace warmfs::fuse {

class Notifier {
 public:
  static constexpr size_t kMaxEntries = 4096;

  Notifier(std::function<void(NodeId)> pages,
           std::function<void(NodeId, const std::string&)> entry);
  // Sends nothing more; what is queued is dropped.
  ~Notifier();

  void Pages(NodeId node);
  void Entry(NodeId dir, std::string_view name);

  uint64_t sent() const;

 private:
  using Name = std::pair<NodeId, std::string>;

  void Loop();
  bool Pending() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || !pages_queue_.empty() || !entry_queue_.empty();
  }

  const std::function<void(NodeId)> pages_;
  const std::function<void(NodeId, const std::string&)> entry_;
  mutable absl::Mutex mu_;
  absl::flat_hash_set<NodeId> pages_queue_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<Name> entry_queue_ ABSL_GUARDED_BY(mu_);
  uint64_t sent_ ABSL_GUARDED_BY(mu_) = 0;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_NOTIFIER_H_
