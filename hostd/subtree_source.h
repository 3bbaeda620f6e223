// Where changes anywhere beneath an export's root are heard of: one stream for
// the whole tree, as the system tells it, with no watch on single objects.
// Implementations: a directory's change notifications, a volume's change
// journal, and a script of a test's. What becomes of it is subtree_watcher.h's.
//
// The stream. Changes come in the order in which they were made, but some time
// after they were made, so nobody knows from the stream alone whether it has
// come to a certain moment. That is what markers are for: PlaceMarker puts
// something into the stream, behind everything that has been done to the tree
// before the call, and the marker comes out of Take behind all of that.
// Fences, and the ends of claims, are made of markers.
//
//   A directory's notifications: a file is made in hostd's own folder, which
//   clients never see; its name has the number. A volume's journal: the head
//   that the journal has now; the marker comes out when the reader has passed
//   it, and nothing is written.
//
// What a source may leave out, and what it may not:
//  - Something that it cannot tell is kLost, behind which the stream goes on.
//    So every change is told, or it is before a kLost that is taken after it.
//    Markers that were placed before it may be lost as well.
//  - From Create on: a source listens from the moment that it exists.
//  - Changes that are alike and adjacent may be one, as if the later ones had
//    been made at the time of the first; a marker is never passed by that.
//  - kModified is said of attributes too where the system does not tell the
//    two apart. kClosedWrite is told only where Ways says so.
//  - What happens in hostd's own folder is not told, but for kHidden, which
//    stands for the other half of a move between it and the rest.
//
// Moves. Both halves, one behind the other; a half without the other is a move
// from or to a place outside. A source that knows ids may tell kRemoved and
// kCreated of one id instead, as NTFS does across directories; the watcher
// takes two that follow each other for a move. What a move replaces may be told
// as kRemoved ahead of it.
//
// A stream that outlives hostd. A source may have a cursor: where in the stream
// it is, in its own words, such that Create with it goes on just behind what
// was taken last, or says kLost first if that is not there any more. It is
// for a journal that goes on after a restart of hostd, and the mapping is kept
// beside the tree (bookmark.h): the journal's id, a position, and the cursor
// when exactly the events up to there had been made. After a restart the
// journal has the same id, and tells everything behind the cursor as new
// events. A client whose position is the one kept or later has seen some of it
// already, which is harmless since events are states; so it goes on with the
// first of these. One whose position is earlier has missed what was only in
// memory: a new epoch. Which directories were leased is not known any more, so
// one that something is told of and that is not leased anew is told as kRevoked
// instead: a client to which that is news has the lease from before, and looks.
//
// Thread-safe, but Wait, Take and cursor belong to one thread.

#ifndef WARMFS_HOSTD_SUBTREE_SOURCE_H_
#define WARMFS_HOSTD_SUBTREE_SOURCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "schema/types.h"

namespace warmfs::hostd {

enum class ChangeKind {
  kCreated,
  kRemoved,
  kMovedFrom,
  kMovedTo,
  kModified,
  kAttributes,
  kClosedWrite,
  kHidden,  // a half of a move: in hostd's own folder
  kMarker,
  kLost,   // changes before this one may be missing
  kEnded,  // the tree is out of reach: nothing is told any more
};

struct Change {
  ChangeKind kind = ChangeKind::kModified;
  // The directory where it happened, beneath the root: its path in the moment
  // of the change, or the one that it has now; and its id where that is known.
  std::string path;  // empty: the root
  FileId dir;
  std::string name;  // as clients have it
  // Of the object, as AttrReader has it; null: not known.
  FileId id;
  std::optional<bool> directory;  // is the object one?
  uint64_t marker = 0;            // kMarker's number
  Timestamp taken;                // the host's clock when it was taken
};

// The host's clock as `taken` has it.
inline Timestamp StampOf(absl::Time time) {
  const int64_t sec = absl::ToUnixSeconds(time);
  const absl::Duration rest = time - absl::FromUnixSeconds(sec);
  return {sec, static_cast<uint32_t>(absl::ToInt64Nanoseconds(rest))};
}

class SubtreeSource {
 public:
  virtual ~SubtreeSource() = default;

  // Numbers grow with each call, and calls do not overlap. Of several markers
  // that are under way the last one may come out alone. An errno: it will not
  // come.
  virtual int PlaceMarker(uint64_t number) = 0;

  // Until there is something to take, Wake was called, or `timeout` is over.
  virtual void Wait(absl::Duration timeout) = 0;
  virtual void Wake() = 0;
  // Appends what has come, and does not wait.
  virtual void Take(std::vector<Change>* out) = 0;

  // Of what was taken last; empty: there is none, or not just now.
  virtual std::string cursor() const { return ""; }

  // What is not the same for all of them.
  struct Ways {
    bool tells_closes = false;  // kClosedWrite
  };
  virtual Ways ways() const { return {}; }
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_SUBTREE_SOURCE_H_
