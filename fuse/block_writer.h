// Puts the blocks of large files into the cache, behind the readers' backs.
//
// Concept. A reader of a large file waits for the host and for nothing else:
// what it was given is written to the database by a thread of its own, which
// also waits where the database has to write first what it has in memory. Small
// files are not put here: each is written before its reader is answered, and so
// outlives a client that is killed right after.
//
// Meanwhile they are found in RecentBlocks.
//
// What must not be believed any more is dropped here before it is evicted from
// the cache. What the thread is writing just then is evicted once it is there;
// until that is done nothing of that file is taken from the cache (IsDropping).
//
// Thread-safe. Bounded in bytes: what does not fit is not kept, and fetched
// again when it is read again.

#ifndef WARMFS_FUSE_BLOCK_WRITER_H_
#define WARMFS_FUSE_BLOCK_WRITER_H_

#include <cstdint>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cache/cache.h"
#include "fuse/recent_blocks.h"

namespace warmfs::fuse {

class BlockWriter {
 public:
  static constexpr size_t kMostBytes = 64 * 1024 * 1024;

  explicit BlockWriter(cache::Cache& cache);
  // Writes what it has been given.
  ~BlockWriter();

  // Consecutive blocks of one version, from index `first` on.
  void Add(const Attr& attr, uint64_t first, std::vector<BlockBytes> blocks);
  void Drop(const FileId& file);
  bool IsDropping(const FileId& file) const;
  // For one who fetches more than anybody reads.
  void AwaitRoom();

 private:
  struct Job {
    Attr attr;
    uint64_t first = 0;
    std::vector<BlockBytes> blocks;
    size_t bytes = 0;
  };

  void Loop();
  void Write(const Job& job);
  bool HasRoom() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return bytes_ < kMostBytes / 2;
  }
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || !queue_.empty();
  }

  cache::Cache& cache_;
  mutable absl::Mutex mu_;
  std::deque<Job> queue_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;      // of the queue
  FileId writing_ ABSL_GUARDED_BY(mu_);        // null: nothing
  bool drop_it_ ABSL_GUARDED_BY(mu_) = false;  // what is being written
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_BLOCK_WRITER_H_
