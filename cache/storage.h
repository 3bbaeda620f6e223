// The database in use now. When it fails while in use (disk full, damage), an
// empty one in memory takes its place, and health() says so.
//
// Thread-safe. Who works with a generation holds a reference to it; a failed
// one is closed when the last reference is gone and Reap is called, so that no
// reader pays for that.

#ifndef WARMFS_CACHE_STORAGE_H_
#define WARMFS_CACHE_STORAGE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "cache/cache.h"
#include "cache/codec.h"
#include "cache/content_files.h"
#include "cache/database.h"
#include "cache/distrust.h"
#include "cache/opening.h"
#include "cache/recent_directories.h"

namespace warmfs::cache {

// Sums over blocks, by their headers.
struct Held {
  int64_t bytes = 0;
  int64_t file_bytes = 0;  // those of them that are in content files
  int64_t blocks = 0;

  void Add(const BlockHeader& header, int64_t times = 1) {
    bytes += times * header.bytes;
    if (header.codec == BlockCodec::kFile) file_bytes += times * header.bytes;
    blocks += times;
  }
  void Add(const Held& more) {
    bytes += more.bytes;
    file_bytes += more.file_bytes;
    blocks += more.blocks;
  }
};

// One database and the content files beside it, with what is known of them in
// memory only.
struct Generation {
  Generation(std::unique_ptr<Database> database,
             std::unique_ptr<ContentFiles> content_files)
      : db(std::move(database)),
        files(std::move(content_files)),
        count_from(new rocksdb::ManagedSnapshot(db->TakeSnapshot())) {}

  void Count(const Held& change, int64_t times = 1) {
    content_bytes += times * change.bytes;
    file_bytes += times * change.file_bytes;
    blocks += times * change.blocks;
  }

  std::unique_ptr<Database> db;
  std::unique_ptr<ContentFiles> files;  // none in memory
  Distrust distrust;
  RecentDirectories directories;

  // Of the blocks held. Changes since the start, until the housekeeper has
  // counted what was there at `count_from`, added it, and let the snapshot go.
  std::atomic<int64_t> content_bytes = 0;
  std::atomic<int64_t> file_bytes = 0;
  std::atomic<int64_t> blocks = 0;
  std::unique_ptr<rocksdb::ManagedSnapshot> count_from;
  absl::Notification counted;
  // Content was written to the database that only memory has.
  std::atomic<bool> unlogged = false;
};

class Storage {
 public:
  // See Cache::Open.
  static absl::StatusOr<std::unique_ptr<Storage>> Open(CacheOptions options);

  std::shared_ptr<Generation> Current();
  // Puts an empty database in memory in place of `generation`, if that is
  // still the current one.
  void Replace(const std::shared_ptr<Generation>& generation);
  // Closes databases that were replaced and that nobody uses any more.
  void Reap();

  Health health() const;
  // As recorded in the database.
  const CacheOptions& options() const { return options_; }

 private:
  explicit Storage(OpenedDatabase opened);

  const CacheOptions options_;
  mutable absl::Mutex mu_;
  std::shared_ptr<Generation> current_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Generation>> replaced_ ABSL_GUARDED_BY(mu_);
  std::string why_memory_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_STORAGE_H_
