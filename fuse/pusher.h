// Gives the kernel the content of small files before it asks, from the cache.
//
// Concept. A program that reads one file of a directory after the other would
// wait for one request each. Once that is seen (fuse/prefetch.h), the files
// that follow are put into the kernel's page cache (FUSE_NOTIFY_STORE), so that
// their reads are the kernel's own. The last of each batch is left out: its
// request tells that the program goes on, and has the next batch pushed.
// Nobody's request means nothing more is pushed, so what is wasted is one
// batch.
//
// Who looks up each file just before he reads it has no use for this: the
// kernel takes content of what it knows only. Where nothing could be pushed, it
// is tried less and less often.
//
// Only what may be believed for ever is pushed: content of the known version,
// under a lease, in a file that the VM has not changed.
//
// Races. Steps are made on the notifier's thread. An event that comes between
// the look at the file and the push has its invalidation queued there, behind
// the push. A change by the VM itself in that moment is found after the push,
// and the pages are dropped again (docs/consistency.md). That thread may wait
// for a page that a request has locked, which no worker may.
//
// Add is thread-safe; Step belongs to one thread. Of readers that wait to be
// planned for only the latest is remembered.

#ifndef WARMFS_FUSE_PUSHER_H_
#define WARMFS_FUSE_PUSHER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "fuse/file_system.h"

namespace warmfs::fuse {

class Pusher {
 public:
  static constexpr int kMostSkipped = 64;

  struct Kernel {
    // Takes these bytes as the whole content of the file; false if it did not.
    std::function<bool(NodeId, std::string_view)> store;
    std::function<void(NodeId)> drop;  // the file's pages
  };

  Pusher(FileSystem& fs, Kernel kernel);

  // True: there is something to do now.
  bool Add(const Ahead& ahead) ABSL_LOCKS_EXCLUDED(mu_);
  // A file, or finds out which to push. False: there is nothing to do.
  bool Step() ABSL_LOCKS_EXCLUDED(mu_);

  uint64_t files() const { return files_; }
  uint64_t bytes() const { return bytes_; }

 private:
  void Push(NodeId node);
  void Plan(const Ahead& ahead) ABSL_LOCKS_EXCLUDED(mu_);

  FileSystem& fs_;
  const Kernel kernel_;
  std::deque<NodeId> files_to_push_;
  absl::Mutex mu_;
  std::optional<Ahead> reader_ ABSL_GUARDED_BY(mu_);  // the latest
  // The last batch; those who read in it have been planned for.
  absl::flat_hash_set<NodeId> batch_ ABSL_GUARDED_BY(mu_);
  // Readers to leave alone, and how many were after the last fruitless plan.
  int to_skip_ ABSL_GUARDED_BY(mu_) = 0;
  int skipped_ ABSL_GUARDED_BY(mu_) = 0;
  std::atomic<uint64_t> files_{0};
  std::atomic<uint64_t> bytes_{0};
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_PUSHER_H_
