// The host's change journal as plain values: what a client asks of it and what
// it is told (docs/journal.md). The rules for all operations are in ops.h.
//
// The journal of an export is a sequence of events under one journal id. Their
// numbers grow by one (by more where a restarted host goes on). When the host
// cannot vouch for a stretch of time (its watch queue overflowed, it was
// restarted, the client was away for longer than events are kept) there is a
// new epoch: another journal id, and every old lease is void.
//
// An event tells what happened, for those who watch, and what is there now, for
// the cache: states are looked at after the event was taken from the file
// system's queue, so they may be newer than the event, and several events in a
// row may carry one state. They are never older.

#ifndef WARMFS_SCHEMA_OPS_JOURNAL_H_
#define WARMFS_SCHEMA_OPS_JOURNAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "schema/ops_common.h"
#include "schema/types.h"

namespace warmfs {

// inotify(7)'s events, those that change something. The numbers are the wire's.
enum class EventKind : uint16_t {
  kCreated = 0,
  kDeleted = 1,
  kMovedFrom = 2,  // followed at once by kMovedTo of the same cookie, or alone:
  kMovedTo = 3,    // moved out of (into) all that is watched
  kModified = 4,
  kAttributes = 5,
  kClosedWrite = 6,
  // `dir` is no longer watched: its lease and those of its entries are void.
  kRevoked = 7,
};

struct Event {
  uint64_t sequence = 0;
  EventKind kind = EventKind::kModified;
  // Caused by a request of the very client that is told.
  bool own = false;
  bool directory = false;  // it happened to a directory
  uint32_t cookie = 0;     // pairs kMovedFrom with kMovedTo; 0 otherwise
  // The directory, and the entry's name. With an empty name it happened to
  // `dir` itself; with a null `dir` to `entry`, a file of several links, by a
  // name that is not known.
  FileId dir;
  std::string name;
  Attr dir_attr;       // now; id null if the directory is gone
  Attr entry;          // what the name stands for now; id null if nothing
  std::string target;  // of a symbolic link
  Timestamp taken;     // the host's clock when it took the event
};

// Waits for events after the position `after`, at most `wait_ms`.
struct NextRequest {
  JournalPos after;
  uint32_t max_events = 1024;
  uint32_t wait_ms = 0;
};
// `pos` is the position after the last of `events`: the next request's `after`.
// new_epoch: `after` is of another journal or too old; `pos` is the head now,
// and no events come.
struct NextReply : Reply {
  bool new_epoch = false;
  std::vector<Event> events;
  // For the status: directories and files watched now, and how often a lease
  // was refused, the queue overflowed, since the host started.
  uint64_t watches = 0;
  uint64_t refused = 0;
  uint64_t overflows = 0;
};

// `pos` of the answer: every change made on the host before the request has an
// event at or before it.
struct FenceRequest {};

}  // namespace warmfs

#endif  // WARMFS_SCHEMA_OPS_JOURNAL_H_
