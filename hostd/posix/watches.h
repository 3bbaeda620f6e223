// The objects of one export that are watched: directories, and regular files of
// several links (another directory may change those). Each is found by its
// FileId and by its number in the source, and held by an O_PATH descriptor, so
// that its state can be read wherever it is moved to.
//
// Bounded by a number of its own, by the descriptor budget and by what the
// source allows. Beyond that a watch is refused and counted; none is dropped to
// make room for another.
//
// A directory's place (its parent and its name there) is remembered as it was
// last seen: a deletion tells the name only, and the descriptor keeps the
// kernel from telling the directory itself.
//
// Events of a watch that was dropped are not told any more. So what others rely
// on is dropped by the thread that makes events of the queue, when it has come
// to the event that says so, and not by one that happens to see it earlier:
// Drop, DropOutside, DropReplaced and Clear are that thread's.
//
// Thread-safe. mu_ is held while the source adds a watch: so nobody finds an
// event's number unknown because the table is not up to date yet.

#ifndef WARMFS_HOSTD_POSIX_WATCHES_H_
#define WARMFS_HOSTD_POSIX_WATCHES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "hostd/attr.h"
#include "hostd/fd_budget.h"
#include "hostd/posix/watch_source.h"
#include "hostd/watcher.h"

namespace warmfs::hostd {

struct Watch {
  int number = -1;
  FileId id;
  bool directory = false;
  // Of a file: what is queued behind this position happened under the watch.
  uint64_t since = 0;
  HeldFd held;

  int fd() const { return held.fd.get(); }
};

class Watches {
 public:
  // All of them outlive this object. `root`: the export's.
  Watches(int root, const AttrReader& attrs, WatchSource& source, uint32_t most,
          FdBudget& budget);

  // Watches the object behind the descriptor, of which `attr` was read. An
  // errno, 0 also if it is watched already.
  int Add(UniqueFd fd, const Attr& attr, const Place& place)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Of an entry that has just been looked at: watches it if it is a directory
  // or has several links, and then looks again, so that `attr` is no older than
  // the watch. kYes also for what needs no watch, and for what hostd may not
  // read: that is not served.
  Covered Cover(int dir_fd, const Place& place, Attr* attr)
      ABSL_LOCKS_EXCLUDED(mu_);

  std::shared_ptr<const Watch> Find(int number) const ABSL_LOCKS_EXCLUDED(mu_);
  bool Has(const FileId& id) const ABSL_LOCKS_EXCLUDED(mu_);
  // Of a file that was watched when the queue had come to this position: a
  // change of it is told twice, by name and by the file.
  bool TellsItself(const FileId& id, uint64_t position) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // The directory that was last seen there, null if none.
  FileId At(const Place& place) const ABSL_LOCKS_EXCLUDED(mu_);

  // The watched directory where a watched one was last seen, and its name
  // there; null if none.
  std::pair<std::shared_ptr<const Watch>, std::string> ParentOf(
      const FileId& id) const ABSL_LOCKS_EXCLUDED(mu_);
  // The source's own way of it.
  bool ParentsAreTold() const { return source_.ways().tells_parents; }

  // False: it was not watched.
  bool Drop(const FileId& id) ABSL_LOCKS_EXCLUDED(mu_);
  // The directories that are not beneath the root any more. All of them are
  // looked at: unless `moved` is still beneath it, or not watched.
  std::vector<FileId> DropOutside() ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<FileId> DropIfOutside(const FileId& moved)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Directories that are deleted and whose place another one has taken, if that
  // was seen when the queue had come to `position` at most.
  void DropReplaced(uint64_t position) ABSL_LOCKS_EXCLUDED(mu_);
  // Forgets all of them at once. They go on to be Removed by the caller, little
  // by little, since each queues an event.
  std::vector<std::shared_ptr<const Watch>> Clear() ABSL_LOCKS_EXCLUDED(mu_);
  // Unless it is watched anew.
  void Remove(const Watch& watch) ABSL_LOCKS_EXCLUDED(mu_);

  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t refused() const { return refused_; }

 private:
  struct Row {
    std::shared_ptr<const Watch> watch;
    Place place;  // of a directory
  };

  // Opens the entry and adds it. An errno.
  int AddEntry(int dir_fd, const Place& place);
  int Refuse(int error);
  void SetPlace(Row& row, const Place& place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool DropLocked(const FileId& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Notes where it is, if it is watched.
  bool Seen(const FileId& id, const Place& place) ABSL_LOCKS_EXCLUDED(mu_);

  const int root_;
  const AttrReader& attrs_;
  WatchSource& source_;
  FdBudget budget_;
  std::atomic<uint64_t> refused_{0};
  mutable absl::Mutex mu_;
  absl::flat_hash_map<FileId, Row> by_id_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<int, std::shared_ptr<const Watch>> by_number_
      ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<Place, FileId> places_ ABSL_GUARDED_BY(mu_);
  // Those whose place another has taken, and the position then.
  std::vector<std::pair<FileId, uint64_t>> replaced_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_WATCHES_H_
