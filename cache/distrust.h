// The records that an edit should have changed but could not, since the
// database would have made the caller wait. Until they are written anew, or
// removed by the housekeeper, they count as not there.
//
// Thread-safe; costs one relaxed load while nothing is distrusted. Bounded:
// when `full`, the owner gives up the whole database.

#ifndef WARMFS_CACHE_DISTRUST_H_
#define WARMFS_CACHE_DISTRUST_H_

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "schema/types.h"

namespace warmfs::cache {

class Distrust {
 public:
  static constexpr size_t kMaxIds = 65536;

  // Changes each time that the id is added, so that what removes the id's
  // records can tell whether another edit was dropped meanwhile.
  using Ticket = uint64_t;

  void Add(absl::Span<const FileId> ids);
  void Remove(absl::Span<const FileId> ids);
  void RemoveIfUnchanged(const FileId& id, Ticket ticket);

  bool Contains(const FileId& id) const;
  bool empty() const { return size_.load(std::memory_order_relaxed) == 0; }
  bool full() const { return size_.load(std::memory_order_relaxed) >= kMaxIds; }
  std::vector<std::pair<FileId, Ticket>> All() const;

 private:
  std::atomic<size_t> size_ = 0;
  mutable absl::Mutex mu_;
  Ticket last_ticket_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<FileId, Ticket> ids_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_DISTRUST_H_
