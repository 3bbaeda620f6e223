// Blocks of content in memory, and what a READ is answered with: pieces of
// them, which are not copied on their way to the kernel.
//
// A block is shared by all who read it at the moment and never changes. The
// rest belongs to one thread.

#ifndef WARMFS_FUSE_BLOCKS_H_
#define WARMFS_FUSE_BLOCKS_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "schema/buffer.h"

namespace warmfs::fuse {

using BlockBytes = std::shared_ptr<const Buffer>;
using Blocks = std::map<uint64_t, BlockBytes>;  // by their index

class BlockPieces {
 public:
  // What [offset, offset + size) has of these blocks, up to the first gap and
  // to the end of a block that is not full.
  static BlockPieces Of(const Blocks& blocks, uint64_t offset, size_t size);

  // At most `size` bytes of it, from `start` on, which it must have.
  void Append(BlockBytes block, size_t start, size_t size);

  size_t size() const { return size_; }
  // For writev(2), which only reads them. Valid as long as this is.
  const std::vector<iovec>& pieces() const { return pieces_; }
  std::string ToString() const;

 private:
  std::vector<BlockBytes> blocks_;  // holds what the pieces are of
  std::vector<iovec> pieces_;
  size_t size_ = 0;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_BLOCKS_H_
