// Makes the journal's events of what a watch source has queued.
//
// All that is queued is taken first, and looked at after that: so one look at a
// name serves every event of the batch that is about it, and no state is older
// than its event. While a long batch is worked on, the caller is let in now and
// then to take more, so that the kernel's queue does not overflow.
//
// What is told of is watched: before an event that shows a directory, or a file
// of several links, goes into the journal, the object is watched and then
// looked at. So a new directory has no gap.
//
// Belongs to one thread. All that it is given outlives it.

#ifndef WARMFS_HOSTD_POSIX_EVENT_MAKER_H_
#define WARMFS_HOSTD_POSIX_EVENT_MAKER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "hostd/claims.h"
#include "hostd/entry_state.h"
#include "hostd/journal.h"
#include "hostd/outbox.h"
#include "hostd/posix/watches.h"
#include "hostd/tree.h"

namespace warmfs::hostd {

// Is there, near the end, a half of a move without the other? The other is
// queued by the same system call and may come a moment later.
bool EndsInHalfAMove(const std::vector<RawEvent>& batch);

class EventMaker {
 public:
  EventMaker(const Tree& tree, Watches& watches, Claims& claims,
             Journal& journal);

  // `position`: of the last event of the batch. True if all that it told is the
  // clients' own work.
  bool Process(std::vector<RawEvent> batch, uint64_t position,
               absl::FunctionRef<void()> take_more);
  uint64_t overflows() const { return overflows_; }

 private:
  void Handle(const RawEvent& raw);
  void Named(const Watch& watch, const RawEvent& raw, EventKind kind);
  void OfDirectoryItself(const Watch& watch, const RawEvent& raw,
                         EventKind kind);
  void TellAsParent(const Watch& watch, const RawEvent& raw, EventKind kind);
  void OfFileItself(const Watch& watch, const RawEvent& raw, EventKind kind);
  void Gone(const Watch& watch);
  void Overflow();
  // The directory `child` has left its name: its watch may have to end.
  void Left(const FileId& child, const Event& event);

  // The first event of a batch about the name is of that kind.
  const EntryState& Look(const Watch& watch, const std::string& name,
                         EventKind kind);
  const Attr& LookAtDirectory(const Watch& watch);
  bool ParentTells(const Watch& watch) const;
  // Has an event by name just told the same of a file with its own watch?
  bool ToldByName(const FileId& id, EventKind kind);

  const Tree& tree_;
  Watches& watches_;
  Claims& claims_;
  FileId root_;
  std::atomic<uint64_t> overflows_{0};

  // Of the batch under way.
  absl::flat_hash_map<std::pair<int, std::string>, EntryState> states_;
  absl::flat_hash_map<int, Attr> directories_;
  bool uncovered_ = false;  // what was just looked at could not be watched
  Outbox out_;

  // The latest events by name of files with their own watch.
  std::deque<std::pair<FileId, EventKind>> told_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_EVENT_MAKER_H_
