// Reads whole blocks of a file for a reply, within the limits of that reply.

#ifndef WARMFS_HOSTD_BLOCKS_H_
#define WARMFS_HOSTD_BLOCKS_H_

#include <cstdint>
#include <vector>

#include "schema/ops.h"

namespace warmfs::hostd {

// What is left of one reply. Blocks that the client has already cost no bytes
// of the reply, but they are read and hashed all the same: that is bounded too.
struct ReadBudget {
  static constexpr uint64_t kMaxHashedBytes = 16ull * kMaxReadBytes;

  uint64_t reply_bytes = kMaxReadBytes;
  uint64_t hashed_bytes = kMaxHashedBytes;

  bool Empty() const { return reply_bytes == 0 || hashed_bytes == 0; }
};

struct BlocksRead {
  std::vector<BlockReply> blocks;
  ReadBudget left;
  bool cut = false;  // the budget ended before the range did
};

// The blocks that `spec` asks for of a file of `size_bytes`. An errno, 0 on
// success.
int ReadBlocks(int fd, uint64_t size_bytes, const ReadSpec& spec,
               const ReadBudget& budget, BlocksRead* out);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_BLOCKS_H_
