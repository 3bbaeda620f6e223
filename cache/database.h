// One open RocksDB database with the cache's column families: a thin layer that
// names families by KeySpace, notices when the database has become unusable,
// and holds the house rules for reads and writes.
//
// Thread-safe. No write waits for a stall: it fails with Status::Incomplete.
// Once failed() answers true it stays so; the caller opens another database,
// and drops this one.

#ifndef WARMFS_CACHE_DATABASE_H_
#define WARMFS_CACHE_DATABASE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "cache/key_space.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace warmfs::cache {

// Whether a write survives a crash of this process.
enum class WriteLog { kYes, kNo };

// Keys of one family from `lower` to below `upper` (empty: to the end), as of
// one moment. Must not outlive the database or the snapshot it was made from.
class Scan {
 public:
  Scan(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
       std::string_view lower, std::string upper,
       const rocksdb::Snapshot* snapshot);

  bool Valid() const { return it_->Valid(); }
  void Next() { it_->Next(); }
  void Seek(std::string_view key) { it_->Seek({key.data(), key.size()}); }
  std::string_view key() const { return it_->key().ToStringView(); }
  std::string_view value() const { return it_->value().ToStringView(); }
  // Not ok: the scan ended early, since what is on disk could not be read.
  rocksdb::Status status() const { return it_->status(); }

 private:
  std::string upper_;
  rocksdb::Slice upper_slice_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

class Database {
 public:
  struct Place {
    std::string directory;
    bool in_memory = false;  // the directory is then only a name
    bool create = false;     // what is missing
  };
  static rocksdb::Status Open(const Place& place,
                              std::unique_ptr<Database>* database);
  // Removes the files of a closed database, and the content files beside it,
  // and no others.
  static rocksdb::Status Destroy(const std::string& directory);
  // Flushes what has no log, unless the database has failed. If it was found
  // damaged, its files go, so that the next open starts anew.
  ~Database();

  rocksdb::Status Get(KeySpace space, std::string_view key,
                      rocksdb::PinnableSlice* value,
                      const rocksdb::Snapshot* snapshot = nullptr);
  Scan NewScan(KeySpace space, std::string_view lower, std::string upper,
               const rocksdb::Snapshot* snapshot = nullptr);
  rocksdb::ManagedSnapshot TakeSnapshot();
  rocksdb::Status Write(rocksdb::WriteBatch& batch, WriteLog log);
  // Until a write would not fail for a stall, `most` at most. For a thread that
  // holds no lock and that nobody waits for.
  void AwaitWritable(absl::Duration most);

  // Waits until everything written is on disk.
  rocksdb::Status Flush();
  // Gives the space of removed content back to the file system; rewrites what
  // still lives in the oldest share of the blob files. Takes its time.
  void ReclaimContent(double oldest_share);
  // Ends a ReclaimContent of another thread early, and any later one.
  void StopReclaiming();

  uint64_t DiskBytes();
  uint64_t EstimateKeys(KeySpace space);
  bool in_memory() const { return place_.in_memory; }

  // For the first argument of WriteBatch's functions.
  rocksdb::ColumnFamilyHandle* operator[](KeySpace space) const {
    return families_[static_cast<size_t>(space)];
  }

  void MarkFailed(const rocksdb::Status& why);
  bool failed() const;
  std::string failure() const;

 private:
  class Failure;
  class Stalls;
  Database() = default;

  Place place_;
  std::shared_ptr<Failure> failure_;
  std::shared_ptr<Stalls> stalls_;
  std::unique_ptr<rocksdb::Env> memory_env_;  // outlives db_
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kKeySpaceCount> families_{};
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_DATABASE_H_
