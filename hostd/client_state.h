// What the host holds open for one client beyond a single request:
//  - orphans: objects whose name is gone, but which the VM still refers to, by
//    O_PATH descriptors;
//  - writers: open descriptors of files that their mode does not let hostd open
//    again, such as git's objects, which are created with mode 0444 and written
//    to afterwards;
//  - host locks.
// Everything goes when the client is gone, with this object. Its serial number
// tells the client from all others that this process has had.
//
// Thread-safe: the connections of a client share it. All of it is bounded, for
// the client and for the process: one client gets at most half of what there
// is. Beyond the bounds the oldest orphan or writer goes (its client then sees
// ESTALE or EACCES), and locks are refused.

#ifndef WARMFS_HOSTD_CLIENT_STATE_H_
#define WARMFS_HOSTD_CLIENT_STATE_H_

#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hostd/fd_budget.h"
#include "hostd/fd_shelf.h"
#include "hostd/host_locks.h"
#include "hostd/random.h"
#include "schema/types.h"

namespace warmfs::hostd {

class ClientState {
 public:
  static constexpr size_t kMaxOrphans = 4096;
  static constexpr size_t kMaxWriters = 256;

  // `budget` outlives this object.
  explicit ClientState(FdBudget& budget = FdBudget::Process())
      : budget_(budget.capacity() / 2, &budget) {}

  // Tells it from any other state of this client, of an earlier daemon too.
  uint64_t incarnation() const { return incarnation_; }

  void KeepOrphan(const FileId& id, UniqueFd fd) ABSL_LOCKS_EXCLUDED(mu_);
  // A duplicate of the descriptor, empty if there is none.
  UniqueFd Orphan(const FileId& id) const ABSL_LOCKS_EXCLUDED(mu_);

  // The writer that goes for it: closing it is an event (own_work.h).
  [[nodiscard]] FdShelf::Gone KeepWriter(const FileId& id, UniqueFd fd)
      ABSL_LOCKS_EXCLUDED(mu_);
  UniqueFd Writer(const FileId& id) const ABSL_LOCKS_EXCLUDED(mu_);

  // Those that have a writer.
  std::vector<FileId> WritersAmong(const std::vector<FileId>& ids) const
      ABSL_LOCKS_EXCLUDED(mu_);

  // The VM no longer refers to these.
  void Release(const std::vector<FileId>& ids) ABSL_LOCKS_EXCLUDED(mu_);

  HostLocks& locks() { return locks_; }
  uint32_t held() const { return budget_.used(); }

 private:
  const uint64_t incarnation_ = RandomNumber();
  FdBudget budget_;  // first: the rest gives its slots back to it
  HostLocks locks_{budget_};
  mutable absl::Mutex mu_;
  FdShelf orphans_ ABSL_GUARDED_BY(mu_){kMaxOrphans, budget_};
  FdShelf writers_ ABSL_GUARDED_BY(mu_){kMaxWriters, budget_};
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_CLIENT_STATE_H_
