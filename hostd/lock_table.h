// Locks of clients where the system has none that would do (Windows' keep
// everybody else from reading and writing): a table in this process, by fcntl's
// and flock's rules. So clients of one hostd exclude each other, and programs
// on the host see none of it.
//
// Thread-safe. No call waits for a lock. Bounded for each client: beyond
// kMostOfClient a lock is refused with ENOLCK.

#ifndef WARMFS_HOSTD_LOCK_TABLE_H_
#define WARMFS_HOSTD_LOCK_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "schema/ops.h"

namespace warmfs::hostd {

class LockTable {
 public:
  static constexpr size_t kMostOfClient = 4096;

  // Whoever the requests of one client come from; `client` is any address that
  // is no other's until Drop.
  using Client = const void*;

  // Takes, changes or gives back. EAGAIN: another owner's is in the way.
  int Set(Client client, const LockRequest& request) ABSL_LOCKS_EXCLUDED(mu_);
  // What would be in the way: its type and range in the reply, kUnlock if
  // nothing.
  LockReply Test(Client client, const LockRequest& request) const
      ABSL_LOCKS_EXCLUDED(mu_);
  void Drop(Client client) ABSL_LOCKS_EXCLUDED(mu_);
  size_t size(Client client) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Range {
    Client client;
    uint64_t owner;
    LockType type;
    uint64_t start, end;  // behind it; UINT64_MAX: all that comes

    bool IsOf(Client c, uint64_t o) const { return client == c && owner == o; }
    bool Meets(const Range& other) const {
      return start < other.end && other.start < end;
    }
  };
  // flock's see those of fcntl as little as these see them.
  using Object = std::pair<FileId, LockKind>;
  using Ranges = std::vector<Range>;

  static Range RangeOf(Client client, const LockRequest& request);
  static const Range* InTheWay(const Ranges& all, const Range& wanted);
  // Takes what the owner has there out, and what is beside it in. By how many
  // there are more then.
  static int64_t Carve(Ranges* all, Range* wanted);

  mutable absl::Mutex mu_;
  absl::flat_hash_map<Object, Ranges> objects_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<Client, size_t> counts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_LOCK_TABLE_H_
