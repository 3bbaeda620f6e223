// The locks that one client holds on host files. Each (file, owner, kind) has
// an open file description of its own, which is what the kernel takes for the
// owner of an OFD or flock(2) lock: so owners of one client conflict with each
// other as processes do, and with programs on the host. On Windows they are in
// a table of this process (lock_table.h), and conflict with those of clients.
//
// Thread-safe. No call waits for a lock. Descriptors are bounded; beyond that a
// lock is refused with ENOLCK.

#ifndef WARMFS_HOSTD_HOST_LOCKS_H_
#define WARMFS_HOSTD_HOST_LOCKS_H_

#include <functional>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "hostd/fd_budget.h"
#include "schema/ops.h"

namespace warmfs::hostd {

// EINVAL for what no client asks for.
int CheckLock(const LockRequest& request);

class HostLocks {
 public:
  static constexpr size_t kMaxLocks = 1024;

  explicit HostLocks(FdBudget& budget) : budget_(budget) {}
  ~HostLocks();
  HostLocks(const HostLocks&) = delete;
  HostLocks& operator=(const HostLocks&) = delete;

  // Opens the file anew; answers an errno.
  using Opener = std::function<int(UniqueFd*)>;

  LockReply Apply(const LockRequest& request, const Opener& open_file)
      ABSL_LOCKS_EXCLUDED(mu_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Key = std::tuple<FileId, uint64_t, LockKind>;

  LockReply Test(const Key& key, const LockRequest& request,
                 const Opener& open_file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int Acquire(const Key& key, const LockRequest& request,
              const Opener& open_file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int Unlock(const Key& key, const LockRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  FdBudget& budget_;
  mutable absl::Mutex mu_;
  absl::flat_hash_map<Key, HeldFd> held_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_HOST_LOCKS_H_
