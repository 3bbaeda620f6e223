// Tells the kernel to drop what it holds, from a thread of its own.
//
// A notification may wait in the kernel for a page or a directory that a
// request has locked, and that request may be waiting for one of our workers.
// So no worker ever sends one: it is queued here, and this thread, which no
// request needs, sends it.
//
// When nothing is queued it does other things that need such a thread, a small
// step at a time (fuse/pusher.h).
//
// What is queued is sent, always: under a lease the kernel would keep it for
// ever. Each node and name is in the queue once. It grows with what workers and
// events ask for while the thread is held up in the kernel; who produces events
// in numbers waits for AwaitRoom first. Thread-safe.

#ifndef WARMFS_FUSE_NOTIFIER_H_
#define WARMFS_FUSE_NOTIFIER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "fuse/tree.h"

namespace warmfs::fuse {

class Notifier {
 public:
  static constexpr size_t kRoom = 16384;

  // How a notification is sent. Called on the notifier's thread.
  struct Kernel {
    std::function<void(NodeId)> pages;  // and attributes
    std::function<void(NodeId)> attr;
    std::function<void(NodeId, const std::string&)> entry;
    // A step of what can wait; false: there is none.
    std::function<bool()> step = [] { return false; };
  };

  explicit Notifier(Kernel kernel);
  // Sends nothing more; what is queued is dropped, what waits is not called.
  ~Notifier();

  void Pages(NodeId node);
  void Attr(NodeId node);
  void Entry(NodeId dir, std::string_view name);
  // The name is queued or being sent.
  bool Pending(NodeId dir, std::string_view name) const;
  // Calls this on the notifier's thread once all that was queued before is
  // sent.
  void After(std::function<void()> then);
  // There are steps to be made.
  void WakeForSteps();
  // Waits until fewer than kRoom wait to be sent, or until the end.
  void AwaitRoom();

  uint64_t sent() const;
  size_t queued() const;

 private:
  using Name = std::pair<NodeId, std::string>;
  struct Queue {
    absl::flat_hash_set<NodeId> pages;
    absl::flat_hash_set<NodeId> attrs;
    absl::flat_hash_set<Name> entries;
    std::vector<std::function<void()>> then;

    size_t size() const { return pages.size() + attrs.size() + entries.size(); }
  };

  void Loop();
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || steps_ || queue_.size() > 0 || !queue_.then.empty();
  }
  bool HasRoom() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || queue_.size() < kRoom;
  }

  const Kernel kernel_;
  mutable absl::Mutex mu_;
  Queue queue_ ABSL_GUARDED_BY(mu_);
  // What the thread is at.
  std::shared_ptr<const Queue> sending_ ABSL_GUARDED_BY(mu_);
  uint64_t sent_ ABSL_GUARDED_BY(mu_) = 0;
  bool steps_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_NOTIFIER_H_
