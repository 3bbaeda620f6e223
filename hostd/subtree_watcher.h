// A watcher by one stream that tells of the whole tree (subtree_source.h):
// which directories are leased, the journal of what happens there, and the
// thread that carries changes from the one to the other.
//
// A lease costs nothing but an entry in a table, and is refused only when the
// table is full, when the directory is not at its path, when the tree is out of
// reach, or for what the stream cannot tell: a file of several links may be
// changed by a name outside of the tree, so the directory that shows it is not
// leased. The order is that of watcher.h, with "watched" for "in the table":
//  - A change after the entry is in the table, and before the look or after it,
//    is taken from the stream later than that: it finds the entry.
//  - The directory is moved, or deleted, while it is leased. Its path, or the
//    parent's, is in the table already: when the stream comes to the move it is
//    dropped. It is not in the table yet: then it is not at its path when that
//    is looked at, which is after the entry was made, and the lease is refused.
//    So no entry stays whose path is another object's.
//  - An entry is dropped after Lease found it: kRevoked, or the new epoch, is
//    behind the head that was taken before.
//  - The stream is behind: it tells of things that the look has shown. They are
//    told again with the state of now, which changes nothing.
//
// A fence. It places a marker and waits until the drain thread has come to it:
// a source brings it behind everything that was done before. That takes as long
// as the system takes to tell of one change. A marker that has not come after a
// second is lost with whatever lost it: another is placed then.
//
// Own work. Positions are markers too (markers.h), so while there are claims
// the drain thread places one now and then, at most one at a time, by which
// they end. A claim is a little too long by that: claims.h says why nothing is
// taken for a client's own for it that the client would have to be told of.
//
// An overflow, or anything else that lost changes, is a new epoch: every lease
// is void, since paths may have changed as well.
//
// A restart. With a stream that outlives hostd, where the journal is in it is
// kept in a file: at the beginning, since only then nobody else goes on from
// there; soon after events were made; and at the end.
//
// Thread-safe. Destroying it ends the drain thread.

#ifndef WARMFS_HOSTD_SUBTREE_WATCHER_H_
#define WARMFS_HOSTD_SUBTREE_WATCHER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hostd/bookmark.h"
#include "hostd/drained_watcher.h"
#include "hostd/leased_dirs.h"
#include "hostd/markers.h"
#include "hostd/subtree_events.h"
#include "hostd/subtree_source.h"

namespace warmfs::hostd {

class SubtreeWatcher final : public DrainedWatcher {
 public:
  // `tree` outlives it. `kept`: where to keep it; may be null.
  SubtreeWatcher(const Tree& tree, std::unique_ptr<SubtreeSource> source,
                 const WatcherOptions& options,
                 std::unique_ptr<BookmarkFile> kept = nullptr);
  ~SubtreeWatcher() override;

  // --- Watcher ---
  bool Lease(const Node& dir, const std::string& path) override;
  Covered Cover(int dir_fd, const Place& place, Attr* attr) override;
  NextReply Next(uint64_t client, const NextRequest& request) override;
  void Sweep(absl::Time now) override;
  bool idle() const override { return dirs_.size() == 0; }

 private:
  // --- DrainedWatcher ---
  int FencePosition(uint64_t* position) override;
  void Wake() override { source_->Wake(); }
  void WaitForEvents() override;
  bool Round() override;
  void DropAll() override { events_.NewEpoch(); }

  bool IsAt(const std::string& path, const FileId& id) const;
  void Drop(const FileId& dir);
  void Revoke(const std::vector<FileId>& dirs);
  void KeepIfDue(absl::Time now);
  // For claims that wait for their end, and for fences whose marker is lost.
  void PlaceMarkerIfDue(bool lost);

  const Tree& tree_;
  const std::unique_ptr<SubtreeSource> source_;
  const std::unique_ptr<BookmarkFile> kept_file_;
  Markers markers_;
  LeasedDirs dirs_;
  SubtreeEvents events_;  // the drain thread's
  // The drain thread's: when the marker that is to come counts as lost.
  absl::Time marker_due_ = absl::InfiniteFuture();
  // Also its: the position and the cursor that are kept, has anything come
  // since, and when the next are to be kept.
  JournalPos kept_;
  std::string kept_cursor_;
  bool moved_on_ = false;
  absl::Time keep_due_ = absl::InfiniteFuture();
};

// With a source that goes on where the last one was, if there is a bookmark and
// the source is still there. `kept` may be null: it begins anew, and nothing is
// kept. `tree` outlives it.
using SourceOpener =
    absl::FunctionRef<absl::StatusOr<std::unique_ptr<SubtreeSource>>(
        const std::string& cursor)>;
absl::StatusOr<std::unique_ptr<Watcher>> GoOnWatching(
    const Tree& tree, WatcherOptions options,
    std::unique_ptr<BookmarkFile> kept, SourceOpener open);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_SUBTREE_WATCHER_H_
