#include "cache/tuning.h"

#include <algorithm>

#include "cache/key_space.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/write_buffer_manager.h"

namespace warmfs::cache {
namespace {

// Blocks of the tree, their indexes and filters, and the memtables all draw on
// this: the bound on what the database takes.
constexpr size_t kMemoryBytes = 40 * kMiB;
constexpr size_t kMemtableBytes = 24 * kMiB;
// A shard must hold the largest filter (of a table below) many times over, or
// it is read from disk at each use. Few threads use the cache, so few shards.
constexpr int kMemoryShardBits = 2;
constexpr size_t kTableBytes = 8 * kMiB;
// Below a usual RLIMIT_NOFILE of 1024, with room for the rest of the client.
constexpr int kMaxOpenFiles = 512;
constexpr size_t kMaxLogBytes = 32 * kMiB;
// Smaller values (most symlinks and small files) stay in the tree.
constexpr uint64_t kMinBlobBytes = 4096;
constexpr uint64_t kBlobFileBytes = 256 * kMiB;
constexpr double kFilterBitsPerKey = 10;
constexpr double kMemtableFilterShare = 0.05;

rocksdb::CompressionType TreeCompression() {
  const auto have = rocksdb::GetSupportedCompressions();
  return std::ranges::count(have, rocksdb::kLZ4Compression) > 0
             ? rocksdb::kLZ4Compression
             : rocksdb::kNoCompression;
}

rocksdb::BlockBasedTableOptions TableOptions(
    const std::shared_ptr<rocksdb::Cache>& memory) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  table.whole_key_filtering = true;
  // Debian's library computes CRC32C without the processor's instruction.
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  return table;
}

// A write that would stall is dropped, so stalls are made rare: no slowing down
// for levels that wait for compaction, only for memtables not yet flushed.
void NeverThrottle(rocksdb::ColumnFamilyOptions& family) {
  family.level0_slowdown_writes_trigger = 200;
  family.level0_stop_writes_trigger = 400;
  family.soft_pending_compaction_bytes_limit = 0;
  family.hard_pending_compaction_bytes_limit = 0;
}

// Without garbage collection, which each compaction would do to the oldest of
// them, whether there is garbage or not: ReclaimContent does it where space is
// needed.
void UseBlobFiles(rocksdb::ColumnFamilyOptions& family) {
  family.enable_blob_files = true;
  family.min_blob_size = kMinBlobBytes;
  family.blob_file_size = kBlobFileBytes;
  family.blob_compression_type = rocksdb::kNoCompression;
}

rocksdb::ColumnFamilyOptions FamilyOptions(
    const KeySpaceRow& row, const std::shared_ptr<rocksdb::Cache>& memory) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = row.write_buffer_bytes;
  family.max_write_buffer_number = row.write_buffers;
  family.compression = TreeCompression();
  family.level_compaction_dynamic_level_bytes = true;
  family.target_file_size_base = kTableBytes;
  family.table_factory.reset(
      rocksdb::NewBlockBasedTableFactory(TableOptions(memory)));
  if (row.prefix_bytes > 0) {
    family.prefix_extractor.reset(
        rocksdb::NewFixedPrefixTransform(row.prefix_bytes));
  }
  // Most look-ups before a write find nothing, and shall not search for it.
  family.memtable_prefix_bloom_size_ratio = kMemtableFilterShare;
  family.memtable_whole_key_filtering = true;
  if (row.blob_files) UseBlobFiles(family);
  NeverThrottle(family);
  return family;
}

rocksdb::DBOptions DbOptions(bool create, rocksdb::Env* env) {
  rocksdb::DBOptions db;
  if (env != nullptr) db.env = env;
  db.create_if_missing = create;
  db.create_missing_column_families = create;
  db.max_background_jobs = 2;
  db.max_open_files = kMaxOpenFiles;
  db.max_total_wal_size = kMaxLogBytes;
  db.bytes_per_sync = 4 * kMiB;
  // Nothing is gained by trying again: the cache goes on in memory.
  db.max_bgerror_resume_count = 0;
  db.avoid_unnecessary_blocking_io = true;
  // A million files must not make an open slow, nor an idle cache busy.
  db.skip_stats_update_on_db_open = true;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.keep_log_file_num = 2;
  db.max_log_file_size = kMiB;
  return db;
}

}  // namespace

Tuning MakeTuning(bool create, rocksdb::Env* env) {
  Tuning tuning;
  const auto memory = rocksdb::NewLRUCache(kMemoryBytes, kMemoryShardBits);
  tuning.db = DbOptions(create, env);
  tuning.db.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(kMemtableBytes, memory);
  for (const KeySpaceRow& row : kKeySpaces) {
    tuning.families.emplace_back(row.name, FamilyOptions(row, memory));
  }
  return tuning;
}

}  // namespace warmfs::cache
