// Makes the journal's events of what a subtree source tells.
//
// As event_maker.h does: all that has come is taken first and looked at after
// that, one look for a name and a batch, so no state is older than its event;
// and what is told of is covered before. Only what happens in leased
// directories is told. What is different:
//
//  - Directories are reached by their paths, each time. One that is not at its
//    path has been deleted or moved since, of which the stream has yet to tell:
//    its events say that nothing is there, as those of a deleted directory do,
//    and kRevoked follows when the stream comes to it.
//  - A name that goes, or changes hands: leases at it and beneath are dropped,
//    each told by kRevoked. What is there now is leased anew by the look.
//  - Moves come as halves that follow each other, or as a removal and a
//    creation of one id. The removal of what a move replaces is not told, as
//    inotify does not.
//  - A directory that "was modified" has mostly had something happen in it,
//    which is told by itself. If its time of change has not been told by that,
//    it is told as a change of attributes.
//  - A journal that goes on from an earlier hostd's: nobody knows what that one
//    had leased, so a directory that is not leased now is told of by kRevoked,
//    once.
//  - kClosedWrite, where the source does not tell it: a file that was made or
//    written to counts as closed when nothing has been told of it for
//    close_after; when it loses its name; and when somebody fences, which asks
//    for everything. A program that goes on writing after that has it told
//    again. What a client has written alone is told as its own.
//
// Belongs to one thread. All that it is given outlives it.

#ifndef WARMFS_HOSTD_SUBTREE_EVENTS_H_
#define WARMFS_HOSTD_SUBTREE_EVENTS_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "hostd/entry_state.h"
#include "hostd/leased_dirs.h"
#include "hostd/markers.h"
#include "hostd/outbox.h"
#include "hostd/subtree_source.h"
#include "hostd/tree.h"
#include "hostd/written_files.h"

namespace warmfs::hostd {

// Is the last one perhaps half of a move, whose other half is a moment late?
bool MayBeHalfAMove(const std::vector<Change>& batch);

class SubtreeEvents {
 public:
  SubtreeEvents(const Tree& tree, LeasedDirs& dirs, Markers& markers,
                Watcher& watcher, Journal& journal, bool source_tells_closes,
                const WatcherOptions& options);

  // True if all that was told is the clients' own work.
  bool Process(std::vector<Change> batch);
  // Files that count as closed by now.
  void TellClosed(absl::Time now);
  absl::Time next_closed() const { return written_.next_due(); }

  // Everything is void, and nothing is leased any more.
  void NewEpoch();
  bool ended() const { return ended_; }
  uint64_t overflows() const { return overflows_; }

 private:
  void Handle(const Change& change);
  void Marker(const Change& marker);
  void Move(const Change& from, const Change& to);
  // Tells of it if its directory is leased.
  void Named(const Change& change, EventKind kind, uint32_t cookie = 0,
             std::optional<bool> directory = {});
  void NoteWritten(const Event& event, uint64_t owner);
  void Closed(const WrittenFile& file);
  void Tell(Event event);
  void TellAs(Event event, uint64_t owner);
  void TellClosedUntil(absl::Time now);
  void StartBatch();
  void EndBatch();
  // What is leased at the change's place, or beneath. True if it was there.
  bool DropPlace(const Change& change);
  // If it is leased.
  FileId DirOf(const Change& change) const;
  // Something has happened in it, and it is not leased by this hostd.
  void RevokeEarlier(const Change& change);

  // Of the directory at its path, if it is there.
  int Open(const FileId& dir);
  const Attr& LookAtDirectory(const FileId& dir);
  const EntryState& Look(const FileId& dir, const std::string& name);
  Event LookFor(const Place& place, EventKind kind);

  const Tree& tree_;
  LeasedDirs& dirs_;
  Markers& markers_;
  Watcher& watcher_;  // covers what is looked at, and has the claims
  const bool source_tells_closes_;
  std::atomic<uint64_t> overflows_{0};
  std::atomic<bool> ended_{false};
  bool earlier_leases_;                  // may count
  absl::flat_hash_set<FileId> revoked_;  // of these, not any more
  uint32_t last_cookie_ = 0;
  WrittenFiles written_;

  // Of the batch under way.
  absl::flat_hash_map<Place, EntryState> states_;
  absl::flat_hash_map<FileId, Attr> directories_;
  // Paths of directories in which names have come or gone.
  absl::flat_hash_set<std::string> busy_;
  // Directories with something in them that could not be covered.
  absl::flat_hash_set<FileId> uncovered_;
  FileId open_dir_;  // the one that open_fd_ is of
  UniqueFd open_fd_;
  Outbox out_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_SUBTREE_EVENTS_H_
