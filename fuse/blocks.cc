#include "fuse/blocks.h"

#include <algorithm>
#include <utility>

#include "schema/types.h"

namespace warmfs::fuse {

BlockPieces BlockPieces::Of(const Blocks& blocks, uint64_t offset,
                            size_t size) {
  BlockPieces out;
  while (out.size() < size) {
    const uint64_t at = offset + out.size();
    const auto it = blocks.find(at / kBlockBytes);
    const size_t start = at % kBlockBytes;
    if (it == blocks.end() || it->second->size() <= start) break;
    out.Append(it->second, start, size - out.size());
    if (it->second->size() < kBlockBytes) break;
  }
  return out;
}

void BlockPieces::Append(BlockBytes block, size_t start, size_t size) {
  const size_t n = std::min(size, block->size() - start);
  // writev takes what it only reads as if it were to change it.
  pieces_.push_back({const_cast<char*>(block->data()) + start, n});
  blocks_.push_back(std::move(block));
  size_ += n;
}

std::string BlockPieces::ToString() const {
  std::string all;
  for (const iovec& piece : pieces_) {
    all.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return all;
}

}  // namespace warmfs::fuse
