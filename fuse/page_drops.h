// Which files' pages the kernel is still to drop, and how far it has come.
//
// Concept. A file that changes on the host has its pages dropped by the
// notifier's thread (notifier.h) a moment after its new attributes are known.
// In between the kernel has some pages that are old. Two things must not meet
// them:
//  - that the file is longer: the last page of what it was ends in zeros. The
//    kernel hears of it once that is dropped, and then for sure (growth.h);
//  - newer content before them. A program that reads on from it would go back
//    in time.
// So pages are dropped from the last to the first, and the answer to a READ
// waits until all beyond it that was to be dropped by then is (AwaitAbove). A
// reader then meets old pages before new ones, as on a local disk, and never
// the other way round.
//
// One call of the kernel goes from the first page to the last. So pages that it
// may have are dropped one by one, and only what lies between them at once. It
// may have those of which a READ, a WRITE or a push has begun (MayHave; counted
// in chunks). A READ that the kernel sent before such a stretch is dropped, and
// that begins here only afterwards, is answered with what was known by then:
// nothing old comes into the stretch.
//
// Why nobody waits for ever. The drop waits for pages that READs have locked,
// and a READ for pages beyond its own only: when the drop stands before a
// READ's pages, that READ has nothing more to wait for. And an answer that is
// older than what is wanted by the time that it is sent is dropped with the
// rest, since its pages are locked until then. But a READ whose answer is newer
// than the drop that waits for it needs the next one: so that is carried out
// beside the first, by another thread (`overtake`). It may be held up by a READ
// further up, which then asks for one too, and so on until the last page: of
// the READs that wait, that of the highest pages is let go first. There is
// always somebody to take a READ that nobody has taken yet (`held_up`,
// idle_workers.h). What is left is a drop of another file that the host holds
// up; so nobody waits longer than kPatience.
//
// Of a file of which the kernel may have more than kMostChunks, all is dropped
// in one call. It may come to a READ's pages at any time, and waits for them
// while newer content lies beyond: so each READ has what is beyond its own
// pages dropped beside it (`overtake` with a page, CarryFrom).
//
// Thread-safe; calls nothing while it holds its lock.

#ifndef WARMFS_FUSE_PAGE_DROPS_H_
#define WARMFS_FUSE_PAGE_DROPS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fuse/node_view.h"

namespace warmfs::fuse {

class PageDrops {
 public:
  static constexpr uint64_t kPageBytes = 4096;
  static constexpr uint64_t kChunkPages = 64;
  static constexpr size_t kMostChunks = 256;  // 64 MiB
  static constexpr absl::Duration kPatience = absl::Milliseconds(300);

  // `overtake` asks for a drop of the file by another thread, and returns: in
  // order (Carry) from 0, all at once from another page (CarryFrom). `held_up`
  // hears it from who begins to wait for a drop (true), and has waited.
  explicit PageDrops(
      std::function<void(NodeId, uint64_t page)> overtake,
      std::function<void(bool)> held_up = [](bool) {})
      : overtake_(std::move(overtake)), held_up_(std::move(held_up)) {}

  // What the kernel has of the file is old from now on; a drop of it follows.
  // Called in one step with what makes it old.
  void Want(NodeId node) ABSL_LOCKS_EXCLUDED(mu_);
  bool Pending(NodeId node) const ABSL_LOCKS_EXCLUDED(mu_);
  // Nothing is wanted or under way.
  bool Idle(NodeId node) const ABSL_LOCKS_EXCLUDED(mu_);
  // Until what is wanted by now is done. False: the limit is over.
  bool AwaitDone(NodeId node, absl::Duration limit = kPatience) const
      ABSL_LOCKS_EXCLUDED(mu_);

  // A READ, a WRITE or a push of these bytes begins.
  void MayHave(NodeId node, uint64_t offset, uint64_t bytes)
      ABSL_LOCKS_EXCLUDED(mu_);
  // The kernel may have the last page of so many bytes.
  bool MayHaveEnd(NodeId node, uint64_t bytes) const ABSL_LOCKS_EXCLUDED(mu_);
  // The kernel has nothing of the node any more.
  void Forget(NodeId node) ABSL_LOCKS_EXCLUDED(mu_);

  // Drops what the kernel has of a file that is no longer than that, by calls
  // of `drop` with an offset and a length, 0: to the end; and then calls
  // `then`, as the last part of it.
  using Drop = absl::FunctionRef<void(uint64_t offset, uint64_t bytes)>;
  using Then = absl::FunctionRef<void()>;
  void Carry(
      NodeId node, uint64_t bytes, Drop drop, Then then = [] {})
      ABSL_LOCKS_EXCLUDED(mu_);
  void CarryFrom(NodeId node, uint64_t page, Drop drop)
      ABSL_LOCKS_EXCLUDED(mu_);

  // For as long as a READ is answered with the file's end; a later drop waits
  // for that, and so does AwaitAnswers.
  void BeginAnswer(NodeId node) ABSL_LOCKS_EXCLUDED(mu_);
  void EndAnswer(NodeId node) ABSL_LOCKS_EXCLUDED(mu_);
  void AwaitAnswers(NodeId node) const ABSL_LOCKS_EXCLUDED(mu_);
  // The same for an end that the kernel is to believe: it does not, if it is
  // told to drop something meanwhile (early_end.h). False if a drop is wanted
  // or under way.
  bool BeginBelieved(NodeId node) ABSL_LOCKS_EXCLUDED(mu_);
  // A call of the injector, whose answer the kernel takes in by its end
  // (injected_names.h). AwaitAnswers waits for that too.
  void BeginCall(NodeId node) ABSL_LOCKS_EXCLUDED(mu_);
  void EndCall(NodeId node) ABSL_LOCKS_EXCLUDED(mu_);

  // Before a READ is answered whose last page is this one. False: the limit is
  // over.
  bool AwaitAbove(NodeId node, uint64_t page,
                  absl::Duration limit = kPatience) const
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // With the number of the latest that may have brought pages of it.
  struct Chunk {
    uint64_t index = 0;
    uint64_t number = 0;
  };
  // In order. kAll stands for all, where they are too many.
  using Chunks = absl::InlinedVector<Chunk, 1>;
  static constexpr uint64_t kAll = UINT64_MAX;
  static bool IsAll(const Chunks& chunks) {
    return !chunks.empty() && chunks.back().index == kAll;
  }
  // A drop under way.
  struct Run {
    uint64_t wanted = 0;  // it does for all up to this
    uint64_t page = 0;    // all beyond it is dropped
    Chunks chunks;
  };
  // None: nothing is pending, nor under way.
  struct State {
    uint64_t wanted = 0;  // the latest
    uint64_t done = 0;    // the latest
    std::vector<const Run*> runs;
    std::vector<Run> partial;  // of CarryFrom, later than `done`
    int answers = 0;
    int calls = 0;

    bool IsPending() const { return done < wanted; }
    bool IsOver() const {
      return !IsPending() && runs.empty() && answers == 0 && calls == 0;
    }
  };

  void DropInOrder(Run& run, uint64_t bytes, Drop drop)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Begin(NodeId node, Run& run) ABSL_LOCKS_EXCLUDED(mu_);
  void Reach(Run& run, uint64_t page) ABSL_LOCKS_EXCLUDED(mu_);
  void Finish(NodeId node, const Run& run) ABSL_LOCKS_EXCLUDED(mu_);
  void FinishFrom(NodeId node, const Run& run) ABSL_LOCKS_EXCLUDED(mu_);

  // Until the condition, which needs mu_.
  bool Await(absl::FunctionRef<bool()> done, absl::Duration limit) const
      ABSL_LOCKS_EXCLUDED(mu_);

  const std::function<void(NodeId, uint64_t page)> overtake_;
  const std::function<void(bool)> held_up_;
  mutable absl::Mutex mu_;
  // Counts what is wanted, and what may have brought pages, in one order.
  uint64_t last_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<NodeId, State> states_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<NodeId, Chunks> chunks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_PAGE_DROPS_H_
