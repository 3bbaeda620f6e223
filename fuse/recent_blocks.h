// The blocks of large files that the host sent last, as they came.
//
// Concept. A window of a large file is fetched at once and read piece by piece,
// by whichever workers the kernel's reads ahead come to. They take the pieces
// from here: not from the database, which may have dropped them too, when it is
// still busy with the windows before.
//
// Thread-safe. Bounded: beyond kMostBytes the oldest go.

#ifndef WARMFS_FUSE_RECENT_BLOCKS_H_
#define WARMFS_FUSE_RECENT_BLOCKS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "schema/types.h"

namespace warmfs::fuse {

// Of one block, shared by all who read it at the moment.
using BlockBytes = std::shared_ptr<const std::string>;
using Blocks = std::map<uint64_t, BlockBytes>;  // by their index

class RecentBlocks {
 public:
  static constexpr size_t kMostBytes = 16 * 1024 * 1024;

  struct Block {
    Version version;  // read under it
    bool racy = false;
    BlockBytes bytes;
  };

  void Put(uint64_t index, Block block);
  std::optional<Block> Get(const FileId& file, uint64_t index) const;
  void Drop(const FileId& file);

 private:
  using Key = std::pair<FileId, uint64_t>;

  mutable absl::Mutex mu_;
  absl::flat_hash_map<Key, Block> blocks_ ABSL_GUARDED_BY(mu_);
  std::deque<Key> order_ ABSL_GUARDED_BY(mu_);  // the oldest first
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_RECENT_BLOCKS_H_
