// Fences asked for through the mount itself: reading the extended attribute
// kFenceXattr of any file answers once every change made on the host before is
// visible, and its events are delivered. For programs without the tool.
//
// A fence needs the mount to go on serving, so no FUSE worker waits for one:
// one thread fences, for all who have asked by then together.
//
// Thread-safe. The destructor answers EINTR to all that still wait.

#ifndef WARMFS_FUSE_FENCE_WAITER_H_
#define WARMFS_FUSE_FENCE_WAITER_H_

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "schema/types.h"

namespace warmfs::fuse {

inline constexpr char kFenceXattr[] = "user.warmfs.sync";

// The value: journal id and sequence number of the host, of fixed length.
std::string FenceText(const JournalPos& pos);
inline constexpr size_t kFenceTextBytes = 16 + 1 + 20;

class FenceWaiter {
 public:
  using Fence = std::function<absl::StatusOr<JournalPos>()>;
  // Called exactly once, on the waiter's thread.
  using Reply = std::function<void(const absl::StatusOr<JournalPos>&)>;

  explicit FenceWaiter(Fence fence);
  ~FenceWaiter();

  void Add(Reply reply);

 private:
  void Loop();

  const Fence fence_;
  absl::Mutex mu_;
  std::vector<Reply> waiting_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_FENCE_WAITER_H_
