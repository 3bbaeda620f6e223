// Puts content into the cache, behind the readers' backs.
//
// Concept. A reader waits for the host and for nothing else: what he was given
// is written to the database by a thread of its own, which also waits where the
// database has to write first what it has in memory. It begins when a window of
// a large file is there, half of the room is taken, or kDelay has passed: many
// small files are written at the price of few, and while there is time. So a
// client that is killed loses what it fetched within kDelay, and nothing else.
//
// Until it is written it is found here, and what came last for longer.
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
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cache/cache.h"
#include "fuse/recent_blocks.h"

namespace warmfs::fuse {

class BlockWriter {
 public:
  static constexpr size_t kMostBytes = 64 * 1024 * 1024;
  static constexpr absl::Duration kDelay = absl::Seconds(1);

  explicit BlockWriter(cache::Cache& cache);
  // Writes what it has been given.
  ~BlockWriter();

  // Consecutive blocks of one version, from index `first` on.
  void Add(const Attr& attr, uint64_t first, std::vector<BlockBytes> blocks);
  std::optional<RecentBlocks::Block> Find(const FileId& file,
                                          uint64_t index) const;
  void Drop(const FileId& file);
  bool IsDropping(const FileId& file) const;
  // For one who fetches more than anybody reads.
  void AwaitRoom();
  // Until all that was added so far is in the cache.
  void Flush();

 private:
  struct Job {
    Attr attr;
    uint64_t first = 0;
    std::vector<BlockBytes> blocks;
    absl::Time added = absl::Now();
    size_t bytes = 0;
    // Changed with the lock.
    bool writing = false;
    bool dropped = false;
  };
  using Jobs = std::vector<std::shared_ptr<Job>>;

  void Loop();
  Jobs TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Write(const Jobs& batch);
  void Done(const Jobs& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasRoom() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return bytes_ < kMostBytes / 2;
  }
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || !queue_.empty();
  }
  bool MustWrite() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || flushing_ > 0 || windows_ > 0 || !HasRoom();
  }

  cache::Cache& cache_;
  RecentBlocks recent_;
  mutable absl::Mutex mu_;
  std::deque<std::shared_ptr<Job>> queue_ ABSL_GUARDED_BY(mu_);
  // Those that count, of the queue and of what is being written; the newest
  // last.
  absl::flat_hash_map<FileId, Jobs> pending_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<FileId> dropping_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;    // of all that is not written
  size_t windows_ ABSL_GUARDED_BY(mu_) = 0;  // of large files, in the queue
  uint64_t added_ ABSL_GUARDED_BY(mu_) = 0;  // jobs, ever
  uint64_t done_ ABSL_GUARDED_BY(mu_) = 0;
  int flushing_ ABSL_GUARDED_BY(mu_) = 0;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_BLOCK_WRITER_H_
