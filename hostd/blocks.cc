#include "hostd/blocks.h"

#include <xxhash.h>

#include <algorithm>
#include <string>
#include <utility>

#include "hostd/file.h"

namespace warmfs::hostd {
namespace {

constexpr uint64_t kLastBlock = INT64_MAX / kBlockBytes;

// Up to `bytes->size()` bytes; cuts it short at the end of the file.
int ReadFully(int fd, uint64_t offset, Buffer* bytes) {
  size_t done = 0;
  const int error = ReadAt(fd, offset, bytes->data(), bytes->size(), &done);
  bytes->Shorten(done);
  return error;
}

// One past the last block to read.
uint64_t EndBlock(uint64_t size_bytes, const ReadSpec& spec) {
  const uint64_t in_file =
      size_bytes / kBlockBytes + (size_bytes % kBlockBytes != 0 ? 1 : 0);
  if (spec.first_block > kLastBlock) return 0;
  return std::min(in_file, spec.first_block + spec.block_count);
}

bool IsKnown(const ReadSpec& spec, size_t i, const Buffer& bytes) {
  if (i >= spec.known_hashes.size() || spec.known_hashes[i] == 0) return false;
  return XXH3_64bits(bytes.data(), bytes.size()) == spec.known_hashes[i];
}

}  // namespace

int ReadBlocks(int fd, uint64_t size_bytes, const ReadSpec& spec,
               const ReadBudget& budget, BlocksRead* out) {
  *out = {.blocks = {}, .left = budget, .cut = false};
  const uint64_t end = EndBlock(size_bytes, spec);
  for (uint64_t index = spec.first_block; index < end; ++index) {
    const uint64_t offset = index * kBlockBytes;
    const uint64_t wanted =
        std::min<uint64_t>(kBlockBytes, size_bytes - offset);
    if (out->left.hashed_bytes < wanted || out->left.reply_bytes < wanted) {
      out->cut = true;
      return 0;
    }
    BlockReply block;
    block.bytes = Buffer(wanted);
    if (const int error = ReadFully(fd, offset, &block.bytes)) return error;
    const bool short_read = block.bytes.size() < wanted;
    out->left.hashed_bytes -= wanted;
    block.unchanged = IsKnown(spec, out->blocks.size(), block.bytes);
    if (block.unchanged) block.bytes = Buffer();
    out->left.reply_bytes -= block.bytes.size();
    out->blocks.push_back(std::move(block));
    if (short_read) return 0;  // the file shrank: the version will tell
  }
  return 0;
}

}  // namespace warmfs::hostd
