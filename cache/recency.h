// When the content of files was last used, as far as it is not in the database
// yet. A stamp is the time in microseconds, made to rise at each use, so that
// any two uses of this process have an order.
//
// Thread-safe. Bounded: when full, further files' uses are not remembered until
// the housekeeper has written what is there; they seem a little older.

#ifndef WARMFS_CACHE_RECENCY_H_
#define WARMFS_CACHE_RECENCY_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "schema/types.h"

namespace warmfs::cache {

class Recency {
 public:
  using Stamps = absl::flat_hash_map<FileId, uint64_t>;

  // The file is used now; answers the stamp.
  uint64_t Touch(const FileId& id);
  // At least half full: time to Take.
  bool WantsWriting() const;
  // What was touched since the last Take.
  Stamps Take();

 private:
  static constexpr size_t kMaxFiles = 32768;

  mutable absl::Mutex mu_;
  uint64_t last_stamp_ ABSL_GUARDED_BY(mu_) = 0;
  Stamps touched_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_RECENCY_H_
