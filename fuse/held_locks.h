// The locks on the host's files that processes here hold, as the host granted
// them: what must be taken again from a host that has forgotten them.
//
// For each (node, owner, kind) the ranges held, as the host's kernel keeps
// them: apart from each other, a new one replaces what it covers. A range is
// noted once the host has granted it, and dropped before the host is asked to
// drop it: what has been given back is never asked for again.
//
// An owner is noted, even without a range, as long as the host may have a
// descriptor open for it. Of others the host need not hear when they close.
//
// A lock is worth what the incarnation of the host's memory that granted it is
// worth (rpc/remote.h). All that is noted is of one incarnation, the one that
// is followed; a grant of an earlier one is refused.
//
// A range that was not granted again is lost. It stays noted, with the host's
// errno, until its owner gives it back or has it granted anew.
//
// Thread-safe; a leaf lock. Whoever asks for locks keeps to kMaxRanges.

#ifndef WARMFS_FUSE_HELD_LOCKS_H_
#define WARMFS_FUSE_HELD_LOCKS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fuse/tree.h"
#include "schema/ops.h"

namespace warmfs::fuse {

struct HeldLock {
  NodeId node = 0;
  LockRequest request;  // owner, kind, type and range
  int error = 0;        // of a lost one
};

class HeldLocks {
 public:
  static constexpr size_t kMaxRanges = 65'536;

  // False: another incarnation than the one that granted it is followed.
  bool Add(NodeId node, const LockRequest& lock, uint64_t incarnation)
      ABSL_LOCKS_EXCLUDED(mu_);
  // False: the owner is not noted, so there is nothing to ask the host.
  bool Drop(NodeId node, const LockRequest& lock) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether the host has carried out this request of the owner is not known.
  void Doubt(NodeId node, const LockRequest& lock) ABSL_LOCKS_EXCLUDED(mu_);

  // From now on `incarnation` grants; these are to be asked of it.
  std::vector<HeldLock> Follow(uint64_t incarnation) ABSL_LOCKS_EXCLUDED(mu_);
  // It refused this one. What has been dropped meanwhile is not lost.
  void Lose(const HeldLock& lock, int error) ABSL_LOCKS_EXCLUDED(mu_);

  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);  // ranges, lost ones too
  std::vector<HeldLock> lost() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Key = std::tuple<NodeId, uint64_t, LockKind>;
  struct Range {
    uint64_t end = 0;
    LockType type = LockType::kRead;
    int error = 0;
  };
  using Ranges = std::map<uint64_t, Range>;  // by their start

  static void Cut(Ranges& ranges, uint64_t start, uint64_t end);
  static void Insert(Ranges& ranges, uint64_t start, Range range);
  std::vector<HeldLock> Select(bool lost) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  uint64_t incarnation_ ABSL_GUARDED_BY(mu_) = 0;  // 0: of the first grant
  size_t ranges_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<Key, Ranges> held_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_HELD_LOCKS_H_
