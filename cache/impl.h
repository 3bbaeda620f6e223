// The parts of a Cache and what they share. Its functions are in the file that
// is named after their subject; the comment at each group says which.
//
// Threads. Any thread calls; one housekeeper thread of its own counts, evicts,
// repairs and writes recency. Locks, in the order in which they may be taken:
//   evict_mu_ > files_ (stripes) > leaf locks (storage, recency, distrust,
//   house_mu_, ContentFiles). dirs_ (stripes) > leaf locks. dirs_ and files_
//   never together.
// RocksDB is called under dirs_, files_ and evict_mu_, which is safe since no
// write waits for a stall; content files are written under files_. No visitor
// is called with a lock held.

#ifndef WARMFS_CACHE_IMPL_H_
#define WARMFS_CACHE_IMPL_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "cache/cache.h"
#include "cache/codec.h"
#include "cache/edit.h"
#include "cache/recency.h"
#include "cache/storage.h"
#include "cache/striped_locks.h"

namespace warmfs::cache {

class Cache::Impl {
 public:
  explicit Impl(std::unique_ptr<Storage> storage);
  ~Impl();

  // --- metadata.cc: reading; commit.cc: edits; listing.cc: whole listings ---
  std::optional<NodeRecord> GetNode(const FileId& id);
  LookupResult Lookup(const FileId& dir, std::string_view name);
  bool ReadDir(const FileId& dir, uint64_t after,
               const std::function<bool(const EntryView&)>& visit);
  void VisitEntries(const FileId& dir,
                    const std::function<bool(const EntryView&)>& visit);
  void Commit(const std::vector<EditOp>& ops);
  void EndLeases();
  void BeginListing(const Attr& dir);
  void SealListing(const Attr& dir, const ListingRecord& listing);
  void PutListing(const Attr& dir, absl::Span<const DirEntry> entries,
                  const ListingRecord& listing, bool complete);

  // --- content.cc; put_blocks.cc: putting ---
  std::optional<Block> GetBlock(const FileId& id, uint64_t index);
  void Expect(const FileId& id, uint64_t file_bytes, uint64_t first,
              uint64_t last);
  void PutBlocks(absl::Span<const FileBlocks> files);
  bool HoldsContent(const FileId& id);
  void AwaitRoom();
  uint64_t ContentBytes(const FileId& id);
  uint64_t EvictFile(const FileId& id);

  // --- eviction.cc ---
  uint64_t Evict(uint64_t bytes);

  // --- verify.cc ---
  VerifyReport Verify(const std::function<void(std::string_view)>& on_bad);

  // --- impl.cc ---
  JournalPos cursor();
  const CacheOptions& options() const { return storage_->options(); }
  Health health() const { return storage_->health(); }
  Usage usage();
  Counters counters() const;
  void Clear();
  void Flush();

 private:
  struct Candidate {
    uint64_t stamp = 0;
    FileId id;
    uint64_t bytes = 0;
    bool operator<(const Candidate& other) const { return stamp < other.stamp; }
  };
  class BlockBatches;
  // One block's bytes for its content file.
  struct FileBytes {
    FileId id;
    uint64_t index = 0;
    std::string_view bytes;
  };
  // Work for the housekeeper.
  struct Chores {
    bool evict = false;   // over max_bytes
    bool repair = false;  // records are distrusted
    bool recency = false;
    bool any() const { return evict || repair || recency; }
  };

  static uint64_t AtLeastZero(int64_t n) {
    return n < 0 ? 0 : static_cast<uint64_t>(n);
  }
  // False: dropped, counted, and the database replaced if it failed.
  bool Write(Generation& gen, rocksdb::WriteBatch& batch, WriteLog log);
  void DistrustAll(Generation& gen, absl::Span<const FileId> ids);
  uint64_t MaxBytes(const Generation& gen) const;

  // metadata.cc
  // False if an entry or the file under it could not be read.
  bool VisitRange(Generation& gen, const FileId& dir, uint64_t after,
                  const rocksdb::Snapshot* snapshot,
                  const std::function<bool(const EntryView&)>& visit);
  void MarkDamaged(const FileId& dir);
  void PutTargets(absl::Span<const DirEntry> entries);  // listing.cc

  // content.cc, put_blocks.cc; `file` locks held where `Locked` is in the name.
  std::optional<BlockHeader> GetHeader(Generation& gen, const FileId& id,
                                       uint64_t index);
  enum class Found { kYes, kNo, kLost, kDamaged };
  Found ReadBlock(Generation& gen, const FileId& id, uint64_t index,
                  Block& block);
  Found ReadInDatabase(Generation& gen, const FileId& id, uint64_t index,
                       const BlockHeader& header, Buffer& bytes);
  Found ReadInFile(Generation& gen, const FileId& id, uint64_t index,
                   const BlockHeader& header, Buffer& bytes);
  Found ReadOrDrop(Generation& gen, const FileId& id, uint64_t index,
                   Block& block);
  void PutBlocksLocked(Generation& gen, absl::Span<const FileBlocks> files);
  void WriteInFiles(Generation& gen, const BlockBatches& batches);
  Held RemoveContent(Generation& gen, const FileId& id);

  // eviction.cc
  uint64_t EvictTo(Generation& gen, uint64_t bytes);
  std::vector<Candidate> LeastRecentlyUsed(Generation& gen, uint64_t bytes);
  void WriteRecency(Generation& gen) ABSL_EXCLUSIVE_LOCKS_REQUIRED(evict_mu_);
  void Reclaim(Generation& gen);
  bool HasMuchGarbage(Generation& gen) const;

  // housekeeping.cc
  void Housekeep();
  void CountContent(Generation& gen);
  void SweepContentFiles(Generation& gen);
  void Repair(Generation& gen);
  void DoChores(const Chores& chores);
  void Tick();
  void Ask(Chores chores);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(house_mu_) {
    return asked_.any() || stopping();
  }
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(house_mu_) {
    return !busy_ && !asked_.any();
  }
  bool stopping() const { return stop_.load(std::memory_order_relaxed); }

  const std::unique_ptr<Storage> storage_;
  StripedLocks dirs_;   // entries and completeness of a directory
  StripedLocks files_;  // blocks of a file, and what is counted of them
  Recency recency_;

  std::atomic<uint64_t> block_hits_ = 0;
  std::atomic<uint64_t> block_misses_ = 0;
  std::atomic<uint64_t> hash_mismatches_ = 0;
  std::atomic<uint64_t> evicted_files_ = 0;
  std::atomic<uint64_t> dropped_edits_ = 0;

  absl::Mutex evict_mu_;  // one eviction at a time

  std::atomic<bool> stop_ = false;
  absl::Mutex house_mu_;
  Chores asked_ ABSL_GUARDED_BY(house_mu_);
  bool busy_ ABSL_GUARDED_BY(house_mu_) = true;  // counts at the start
  std::thread housekeeper_;  // last: it uses all of the above
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_IMPL_H_
