// Which files' content goes when there is too much of it.

#include <algorithm>
#include <limits>
#include <queue>
#include <utility>

#include "cache/codec.h"
#include "cache/impl.h"

namespace warmfs::cache {
namespace {

// Candidates considered in one pass over the headers: bounds the memory.
constexpr size_t kMaxCandidates = 65536;
constexpr uint32_t kMaxBatchRecords = 4096;

// The files that hold content, in the order of their ids, each with its bytes.
class Files {
 public:
  explicit Files(Database& db) : scan_(db.NewScan(KeySpace::kBlock, "", "")) {}

  std::optional<std::pair<FileId, uint64_t>> Next() {
    std::optional<std::pair<FileId, uint64_t>> file;
    for (; scan_.Valid(); scan_.Next()) {
      const auto key = DecodeBlockKey(scan_.key());
      if (!key.has_value()) continue;
      if (file.has_value() && file->first != key->id) break;
      if (!file.has_value()) file.emplace(key->id, 0);
      const auto header = DecodeBlockHeader(key->id, scan_.value());
      if (header.has_value()) file->second += header->bytes;
    }
    return file;
  }

 private:
  Scan scan_;
};

// When files were last used. Files are asked for in the order of their ids.
//
// A record of a file without content is an orphan (the file was evicted between
// its use and the writing of it), to be deleted. A block and its file's record
// are written together, so a record that this sees, made first, has its block
// in a scan made later.
class StampReader {
 public:
  explicit StampReader(Database& db)
      : db_(db), scan_(db.NewScan(KeySpace::kUsage, "", "")) {}

  // 0 for a file whose record was lost: it goes first.
  uint64_t Of(const FileId& id) {
    const std::string key = NodeKey(id);
    for (; scan_.Valid() && scan_.key() < key; scan_.Next()) AddOrphan();
    if (!scan_.Valid() || scan_.key() != key) return 0;
    const uint64_t stamp = DecodeU64(scan_.value()).value_or(0);
    scan_.Next();
    return stamp;
  }

  rocksdb::WriteBatch& orphans() { return orphans_; }

 private:
  void AddOrphan() {
    if (orphans_.Count() >= kMaxBatchRecords) return;  // the next time
    orphans_.Delete(db_[KeySpace::kUsage], rocksdb::Slice(scan_.key()))
        .PermitUncheckedError();
  }

  Database& db_;
  rocksdb::WriteBatch orphans_;
  Scan scan_;
};

}  // namespace

uint64_t Cache::Impl::Evict(uint64_t bytes) {
  const auto gen = storage_->Current();
  gen->counted.WaitForNotification();
  return EvictTo(*gen, bytes);
}

uint64_t Cache::Impl::EvictTo(Generation& gen, uint64_t bytes) {
  absl::MutexLock lock(&evict_mu_);
  const auto target = static_cast<int64_t>(
      std::min<uint64_t>(bytes, std::numeric_limits<int64_t>::max()));
  WriteRecency(gen);
  uint64_t evicted = 0;
  bool any_in_database = false;
  while (gen.content_bytes > target && !stopping()) {
    const uint64_t before = evicted;
    for (const Candidate& file :
         LeastRecentlyUsed(gen, gen.content_bytes - target)) {
      if (gen.content_bytes <= target || stopping()) break;
      const Held removed = RemoveContent(gen, file.id);
      evicted += static_cast<uint64_t>(removed.bytes);
      evicted_files_ += removed.bytes > 0 ? 1 : 0;
      any_in_database |= removed.bytes > removed.file_bytes;
    }
    if (evicted == before) break;  // nothing there, or the database is busy
  }
  if (any_in_database) Reclaim(gen);
  return evicted;
}

// Least recently used first, together at least `bytes` if there are so many.
std::vector<Cache::Impl::Candidate> Cache::Impl::LeastRecentlyUsed(
    Generation& gen, uint64_t bytes) {
  std::priority_queue<Candidate> oldest;  // its top is the most recent
  uint64_t sum = 0;
  StampReader stamps(*gen.db);  // before the files: see there
  Files files(*gen.db);
  while (const auto file = files.Next()) {
    oldest.push({stamps.Of(file->first), file->first, file->second});
    sum += file->second;
    while (oldest.size() > 1 && (sum - oldest.top().bytes >= bytes ||
                                 oldest.size() > kMaxCandidates)) {
      sum -= oldest.top().bytes;
      oldest.pop();
    }
  }
  std::vector<Candidate> candidates;
  for (; !oldest.empty(); oldest.pop()) candidates.push_back(oldest.top());
  std::ranges::reverse(candidates);
  Write(gen, stamps.orphans(), WriteLog::kYes);
  return candidates;
}

void Cache::Impl::WriteRecency(Generation& gen) {
  rocksdb::WriteBatch batch;
  for (const auto& [id, stamp] : recency_.Take()) {
    batch.Put((*gen.db)[KeySpace::kUsage], NodeKey(id), EncodeU64(stamp))
        .PermitUncheckedError();
    if (batch.Count() < kMaxBatchRecords) continue;
    Write(gen, batch, WriteLog::kYes);
    batch.Clear();
  }
  Write(gen, batch, WriteLog::kYes);
}

// A content file gives its space back when it goes. The database does by
// rewriting what still lives in the oldest blob files; in all of them when
// those alone are not enough.
void Cache::Impl::Reclaim(Generation& gen) {
  constexpr double kOldest = 0.25;
  gen.db->ReclaimContent(HasMuchGarbage(gen) ? 1.0 : kOldest);
}

bool Cache::Impl::HasMuchGarbage(Generation& gen) const {
  const uint64_t max_bytes = MaxBytes(gen);
  return gen.db->DiskBytes() + AtLeastZero(gen.file_bytes) >
         max_bytes + max_bytes / 4;
}

}  // namespace warmfs::cache
