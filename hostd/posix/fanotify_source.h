// fanotify(7) as a watch source, for a hostd with CAP_SYS_ADMIN: one mark
// covers a whole file system, so a watch costs the kernel nothing and has no
// limit. A watch is a row in a table, by the object's file handle; events of
// what is not in it are dropped.
//
// The kernel makes one event of those that wait in its queue, are by one
// process and concern one object under one name, whatever came between them.
// Such an event is told as several, in the order that they mostly have:
// created, modified, attributes, closed, deleted. To keep it rare, and
// positions true, everybody who takes a mark empties the kernel's queue into
// queue_: what happens after a mark is never merged with what happened before
// it.
//
// Positions count the events of watched objects. queue_ is bounded; beyond that
// it overflows as the kernel's does.
//
// inotify tells nobody of what is done to a file by a name that is gone.
// fanotify does, with the old name, which may be another file's by then. So
// what was last told of a name is remembered for some thousands of names, and
// what is at odds with it is looked at.

#ifndef WARMFS_HOSTD_POSIX_FANOTIFY_SOURCE_H_
#define WARMFS_HOSTD_POSIX_FANOTIFY_SOURCE_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "hostd/posix/fanotify_record.h"
#include "hostd/posix/watch_source.h"
#include "schema/unique_fd.h"

namespace warmfs::hostd {

class FanotifySource final : public WatchSource {
 public:
  // Marks the file system of the directory `root`; others are marked when
  // something in them is watched. A status that says what is missing and what
  // to do: PermissionDenied, ResourceExhausted, or FailedPrecondition if the
  // kernel or the file system cannot.
  static absl::StatusOr<std::unique_ptr<WatchSource>> Create(
      const std::string& root);

  int Add(int fd, bool directory, int* number)
      ABSL_LOCKS_EXCLUDED(mu_) override;
  void Remove(int number) ABSL_LOCKS_EXCLUDED(mu_) override;
  uint64_t Mark() ABSL_LOCKS_EXCLUDED(mu_) override;
  void Wait(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mu_) override;
  void Wake() ABSL_LOCKS_EXCLUDED(mu_) override;
  void Take(std::vector<RawEvent>* out) ABSL_LOCKS_EXCLUDED(mu_) override;
  Ways ways() const override {
    return {.merges = true, .tells_parents = false};
  }

 private:
  using Place = std::pair<int, std::string>;

  FanotifySource(UniqueFd fanotify, UniqueFd wake);

  // One that is marked, and kept from being unmounted: its mark would go with
  // it.
  struct FileSystem {
    UniqueFd in_it;
    size_t watches = 0;
  };

  // Counts a watch more. An errno.
  int MarkFileSystem(std::string_view key, int fd, bool directory)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // And one less; with the last one its mark ends.
  void LeaveFileSystem(std::string_view key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool EndsWait() ABSL_LOCKS_EXCLUDED(mu_);
  void EndPoll();
  // All that the kernel has queued at the time of the call goes to queue_.
  void Drain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Tell(const FanotifyRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellMove(const FanotifyRecord& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellOfDirectory(const FanotifyRecord& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // One bit of inotify's; `named`, `own`: to the directory, to the object.
  void TellOne(const FanotifyRecord& record, uint32_t bit, int named, int own)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Queue(int number, uint32_t mask, std::string_view name = {},
             uint32_t cookie = 0) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int Find(std::string_view key) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Remembers what a name stands for now; `object` empty: nothing.
  void Note(int dir, std::string_view name, std::string_view object,
            bool directory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool StandsForAnother(int dir, std::string_view name,
                        std::string_view object) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Is it done to an object that the name does not lead to any more?
  bool IsByAGoneName(const FanotifyRecord& record, int dir)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Does the name lead to the object at this moment? Unknown without
  // CAP_DAC_READ_SEARCH.
  std::optional<bool> IsThere(const FanotifyRecord& record) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const UniqueFd fanotify_;
  const UniqueFd wake_;
  const std::unique_ptr<char[]> buffer_;

  mutable absl::Mutex mu_;
  absl::flat_hash_map<std::string, int> numbers_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<int, std::string> keys_ ABSL_GUARDED_BY(mu_);
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  int last_number_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t last_cookie_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<std::string, FileSystem> marked_ ABSL_GUARDED_BY(mu_);
  std::vector<RawEvent> queue_ ABSL_GUARDED_BY(mu_);
  uint64_t position_ ABSL_GUARDED_BY(mu_) = 0;  // behind the last in queue_
  Timestamp now_ ABSL_GUARDED_BY(mu_);          // of the read under way
  // What names stand for, and where new directories are that are not watched
  // yet. At the bound all of it is forgotten.
  absl::flat_hash_map<Place, std::string> names_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, Place> new_dirs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_FANOTIFY_SOURCE_H_
