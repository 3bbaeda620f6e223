// The names in directories that were written or read whole lately, in memory:
// who answers a listing, reads ahead of a reader or pushes to the kernel reads
// one directory several times within milliseconds, and each time the database
// opens a scan.
//
// What is found here is what the database has, or had until a change that has
// not returned yet. For that, who changes a directory says so when the database
// has the change (Changed), and who has read one says as of which version
// (version, asked before he read): he is refused if it has changed since.
//
// Thread-safe. Bounded: kMostNames, of which no directory has more than
// kMostOfOne; the one that was of no use for longest goes first.

#ifndef WARMFS_CACHE_RECENT_DIRECTORIES_H_
#define WARMFS_CACHE_RECENT_DIRECTORIES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "schema/types.h"

namespace warmfs::cache {

class RecentDirectories {
 public:
  static constexpr size_t kMostNames = 16 * 1024;
  static constexpr size_t kMostOfOne = 1024;

  struct Item {
    uint64_t cookie = 0;
    std::string name;
    FileId id;
  };
  // All that are in the directory, in the database's order.
  using Items = std::vector<Item>;

  // Null: read the database.
  std::shared_ptr<const Items> Find(const FileId& dir) ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t version(const FileId& dir) const ABSL_LOCKS_EXCLUDED(mu_);
  void Remember(const FileId& dir, uint64_t version, Items items)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Returns its version from now on.
  uint64_t Changed(const FileId& dir) ABSL_LOCKS_EXCLUDED(mu_);
  void AllChanged() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Held {
    FileId dir;
    std::shared_ptr<const Items> items;
  };
  using Order = std::list<Held>;  // the latest first

  void Drop(Order::iterator held) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Several directories may share one: then one change counts for all.
  static constexpr size_t kVersions = 256;
  static size_t VersionOf(const FileId& dir);

  mutable absl::Mutex mu_;
  std::array<uint64_t, kVersions> versions_ ABSL_GUARDED_BY(mu_) = {};
  size_t names_ ABSL_GUARDED_BY(mu_) = 0;
  Order order_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<FileId, Order::iterator> held_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_RECENT_DIRECTORIES_H_
