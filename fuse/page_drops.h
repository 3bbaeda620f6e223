// Which files' pages the kernel is still to drop, and how far it has come.
//
// Concept. A file that changes on the host has its pages dropped by the
// notifier's thread (notifier.h) a moment after its new attributes are known.
// In between the kernel has some pages that are old. Two things must not meet
// them:
//  - that the file is longer: the last page of what it was ends in zeros
//    (FileSystem::MakeEntry);
//  - newer content before them. A program that reads on from it would go back
//    in time.
// So pages are dropped from the last to the first, and the answer to a READ
// waits until all beyond it that was to be dropped by then is (AwaitAbove). A
// reader then meets old pages before new ones, as on a local disk, and never
// the other way round.
//
// Why nobody waits for ever. The drop waits for pages that READs have locked,
// and a READ for pages beyond its own only: when the drop stands before a
// READ's pages, that READ has nothing more to wait for. And an answer that is
// older than what is wanted by the time that it is sent is dropped with the
// rest, since its pages are locked until then. A READ of the drop's next file
// may be held up by the host; so nobody waits longer than kPatience.
//
// Files that are larger than kMostPages are dropped in one step, and READs do
// not wait for it (docs/consistency.md).
//
// Thread-safe; calls nothing while it holds its lock.

#ifndef WARMFS_FUSE_PAGE_DROPS_H_
#define WARMFS_FUSE_PAGE_DROPS_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fuse/node_view.h"

namespace warmfs::fuse {

class PageDrops {
 public:
  static constexpr uint64_t kPageBytes = 4096;
  static constexpr uint64_t kMostPages = 64;
  static constexpr absl::Duration kPatience = absl::Milliseconds(300);

  // What the kernel has of the file is old from now on; a drop of it follows.
  // Called in one step with what makes it old.
  void Want(NodeId node) ABSL_LOCKS_EXCLUDED(mu_);
  bool Pending(NodeId node) const ABSL_LOCKS_EXCLUDED(mu_);

  // Drops what the kernel has of a file that is no longer than that, by calls
  // of `drop` with an offset and a length, 0: to the end. One thread's.
  using Drop = absl::FunctionRef<void(uint64_t offset, uint64_t bytes)>;
  void Carry(NodeId node, uint64_t bytes, Drop drop) ABSL_LOCKS_EXCLUDED(mu_);

  // Before a READ is answered whose last page is this one. False: the limit is
  // over.
  bool AwaitAbove(NodeId node, uint64_t page,
                  absl::Duration limit = kPatience) const
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  static constexpr uint64_t kNowhere = UINT64_MAX;
  // Drops are numbered in the order in which they are wanted. One does for all
  // that were wanted when it began. No state: none is pending.
  struct State {
    uint64_t wanted = 0;       // the latest
    uint64_t done = 0;         // the latest
    uint64_t under_way = 0;    // if `page` is somewhere
    uint64_t page = kNowhere;  // all beyond it is dropped
  };

  void Reach(NodeId node, uint64_t page) ABSL_LOCKS_EXCLUDED(mu_);
  void Finish(NodeId node) ABSL_LOCKS_EXCLUDED(mu_);

  mutable absl::Mutex mu_;
  uint64_t last_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<NodeId, State> states_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_PAGE_DROPS_H_
