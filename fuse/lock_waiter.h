// Waits for host locks that another holds, so that no FUSE worker has to.
//
// The host never waits for a lock (schema/ops.h). A request that may wait
// (F_SETLKW, flock without LOCK_NB) and does not get its lock at once is put
// here; one thread tries again, less and less often up to every kSlowest, until
// the lock is granted, an error comes, or the caller was interrupted.
//
// At most kMaxWaiting requests; a further one is refused (ENOLCK). Thread-safe.

#ifndef WARMFS_FUSE_LOCK_WAITER_H_
#define WARMFS_FUSE_LOCK_WAITER_H_

#include <functional>
#include <list>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fuse/host_locks.h"
#include "rpc/remote.h"

namespace warmfs::fuse {

class LockWaiter {
 public:
  static constexpr absl::Duration kFastest = absl::Milliseconds(1);
  static constexpr absl::Duration kSlowest = absl::Milliseconds(50);
  static constexpr size_t kMaxWaiting = 1024;

  struct Waiting {
    NodeId node = 0;
    LockRequest request;
    std::function<bool()> interrupted;
    std::function<void(int error)> reply;  // called exactly once
  };

  LockWaiter(HostLocks& locks, rpc::Remote& remote);
  ~LockWaiter();  // replies EINTR to all that still wait

  void Add(Waiting waiting);

 private:
  void Loop();
  bool TryAll(rpc::Channel& host, std::list<Waiting>& waiting);

  HostLocks& locks_;
  rpc::Remote& remote_;
  absl::Mutex mu_;
  std::list<Waiting> added_ ABSL_GUARDED_BY(mu_);
  size_t count_ ABSL_GUARDED_BY(mu_) = 0;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_LOCK_WAITER_H_
