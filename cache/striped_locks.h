// Locks for objects by FileId, from a fixed set: two ids may share one, so a
// thread takes all that it needs at once, and nothing else while it has them.

#ifndef WARMFS_CACHE_STRIPED_LOCKS_H_
#define WARMFS_CACHE_STRIPED_LOCKS_H_

#include <array>
#include <bitset>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/hash/hash.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "schema/types.h"

namespace warmfs::cache {

class StripedLocks {
 public:
  // A thread may hold them all; ThreadSanitizer follows at most 64 locks.
  static constexpr size_t kStripes = 32;
  using Stripes = std::bitset<kStripes>;

  static Stripes StripesOf(absl::Span<const FileId> ids) {
    Stripes stripes;
    for (const FileId& id : ids) {
      stripes.set(absl::Hash<FileId>()(id) % kStripes);
    }
    return stripes;
  }

  // Taken in ascending order by everybody, hence no deadlock.
  class Guard {
   public:
    Guard(StripedLocks& locks, Stripes stripes) ABSL_NO_THREAD_SAFETY_ANALYSIS
        : locks_(locks),
          stripes_(stripes) {
      for (size_t i = 0; i < kStripes; ++i) {
        if (stripes_[i]) locks_.mutexes_[i].Lock();
      }
    }
    Guard(StripedLocks& locks, const FileId& id)
        : Guard(locks, StripesOf({&id, 1})) {}
    ~Guard() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      for (size_t i = 0; i < kStripes; ++i) {
        if (stripes_[i]) locks_.mutexes_[i].Unlock();
      }
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    StripedLocks& locks_;
    const Stripes stripes_;
  };

 private:
  std::array<absl::Mutex, kStripes> mutexes_;
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_STRIPED_LOCKS_H_
