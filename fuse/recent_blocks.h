// The blocks that the host sent last, as they came.
//
// Concept. A window of a large file is fetched at once and read piece by piece,
// by whichever workers the kernel's reads ahead come to; and small files are
// fetched together and read one by one. They are taken from here: not from the
// database, which is slower, and may have dropped a large file's if it is still
// busy with the windows before.
//
// Thread-safe. Bounded: beyond kMostBytes and kMostBlocks the oldest go.

#ifndef WARMFS_FUSE_RECENT_BLOCKS_H_
#define WARMFS_FUSE_RECENT_BLOCKS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "fuse/blocks.h"
#include "schema/types.h"

namespace warmfs::fuse {

class RecentBlocks {
 public:
  static constexpr size_t kMostBytes = 16 * 1024 * 1024;
  static constexpr size_t kMostBlocks = 4096;

  struct Block {
    Version version;  // read under it
    bool racy = false;
    BlockBytes bytes;
  };

  void Put(uint64_t index, Block block);
  std::optional<Block> Get(const FileId& file, uint64_t index) const;
  void Drop(const FileId& file);

 private:
  struct Held {
    Block block;
    uint64_t number = 0;
  };
  using File = std::map<uint64_t, Held>;
  // One that was put there. What has gone meanwhile, or is there anew under
  // another number, stays here until its turn comes.
  struct Place {
    FileId file;
    uint64_t index = 0;
    uint64_t number = 0;
  };

  void DropOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  absl::flat_hash_map<FileId, File> files_ ABSL_GUARDED_BY(mu_);
  std::deque<Place> order_ ABSL_GUARDED_BY(mu_);  // the oldest first
  uint64_t last_number_ ABSL_GUARDED_BY(mu_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_RECENT_BLOCKS_H_
