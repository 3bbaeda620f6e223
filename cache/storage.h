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
#include "cache/database.h"
#include "cache/distrust.h"

namespace warmfs::cache {

// One database, with what is known of it in memory only.
struct Generation {
  explicit Generation(std::unique_ptr<Database> database)
      : db(std::move(database)),
        count_from(new rocksdb::ManagedSnapshot(db->TakeSnapshot())) {}

  std::unique_ptr<Database> db;
  Distrust distrust;

  // Of the blocks held. Changes since the start, until the housekeeper has
  // counted what was there at `count_from`, added it, and let the snapshot go.
  std::atomic<int64_t> content_bytes = 0;
  std::atomic<int64_t> blocks = 0;
  std::unique_ptr<rocksdb::ManagedSnapshot> count_from;
  absl::Notification counted;
  // Content was written that only memory has.
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
  Storage(CacheOptions options, std::unique_ptr<Database> db,
          std::string why_memory);

  const CacheOptions options_;
  mutable absl::Mutex mu_;
  std::shared_ptr<Generation> current_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Generation>> replaced_ ABSL_GUARDED_BY(mu_);
  std::string why_memory_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_STORAGE_H_
