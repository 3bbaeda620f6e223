// Tells the events that hostd causes on behalf of a client from all others, so
// that a client is told which are its own.
//
// Before the system calls of a change, a claim is made: these kinds of events,
// at these names or of these objects, are this client's. It covers a span of
// the source's queue, from the position when it began to the position when it
// ended. An event within the span, of such a kind and place, is the client's.
//
// The races, one by one:
//  - The event is taken while the claim lives: its end is not known yet, so it
//    is covered.
//  - It is taken long after the claim ended: the span is kept until everything
//    before its end has been taken (Forget), so it is still covered.
//  - It is taken while the claim is being ended: both hold mu_, and the end is
//    the position of that moment, which no event of the claim is behind.
//  - A change by somebody else before the claim or after it, and be it a
//    microsecond: its position is outside of the span.
//  - A change by somebody else of the same kind, in the same place, within the
//    span: is taken for the client's. The kernel itself may make one event of
//    two that are alike and adjacent. That is why the span ends before the
//    reply's attributes and names are looked at, which have such a change
//    (own_work.h), and why events carry states: a client compares the state of
//    its own events as well.
//  - A late close: a descriptor that is kept for the client (a writer) closes
//    under a claim of its own where a client lets go of it.
//
// A queue that comes late (exact() false) has no position for the very moment:
// spans begin too early and end too late by what is under way. There an event
// is the client's only if the state that it carries is explained: what it tells
// of was last changed, by its own time of change, before the last claim on it
// ended. What somebody else does after that has a later time, unless it is in
// the same tick of the clock.
//
// Thread-safe. Claims are in the order of their beginning, so a look at an
// event passes over those few that overlap it.

#ifndef WARMFS_HOSTD_CLAIMS_H_
#define WARMFS_HOSTD_CLAIMS_H_

#include <cstdint>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "schema/ops_journal.h"

namespace warmfs::hostd {

// A set of EventKinds.
constexpr uint32_t KindBit(EventKind kind) {
  return 1u << static_cast<uint32_t>(kind);
}
inline constexpr uint32_t kContentKinds = KindBit(EventKind::kModified) |
                                          KindBit(EventKind::kAttributes) |
                                          KindBit(EventKind::kClosedWrite);

struct Claim {
  uint64_t client = 0;
  uint32_t name_kinds = 0;    // at one of the names
  uint32_t object_kinds = 0;  // of one of the objects, by whatever name
  std::vector<std::pair<FileId, std::string>> names;
  std::vector<FileId> objects;
  // By what name the object was opened: an event whose name stands for
  // something else by the time it is taken cannot tell its object.
  std::string opened_as;
};

// What changes are heard of by: a stream of events with positions, a number
// that only grows. Thread-safe.
class EventQueue {
 public:
  virtual ~EventQueue() = default;
  // Behind the last event queued, which those of a system call that has
  // returned are.
  virtual uint64_t Mark() = 0;
  // No event of a system call that is yet to be made is here or before.
  virtual uint64_t MarkBefore() { return Mark(); }
  // There is nothing between the two.
  virtual bool exact() const { return true; }
};

class Claims {
 public:
  explicit Claims(EventQueue& queue) : queue_(queue) {}

  // Of a claim: nothing else is known of it outside.
  using Ticket = uint64_t;
  Ticket Begin(Claim claim) ABSL_LOCKS_EXCLUDED(mu_);
  void End(Ticket ticket) ABSL_LOCKS_EXCLUDED(mu_);

  // Whose event this is, 0 if nobody's. `end`: its position.
  uint64_t OwnerOf(const Event& event, uint64_t end) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // All events that end at `position` or before have been asked about.
  void Forget(uint64_t position) ABSL_LOCKS_EXCLUDED(mu_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Span {
    Ticket ticket;
    Claim claim;
    uint64_t begin;
    uint64_t end = UINT64_MAX;  // while it lives
    absl::Time ended = absl::InfiniteFuture();
  };

  bool IsExplained(const Event& event) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  EventQueue& queue_;
  mutable absl::Mutex mu_;                      // before the queue's own
  std::list<Span> spans_ ABSL_GUARDED_BY(mu_);  // begin does not fall
  Ticket last_ticket_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t forgotten_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_CLAIMS_H_
