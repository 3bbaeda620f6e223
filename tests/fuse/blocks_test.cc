#include "fuse/blocks.h"

#include <gtest/gtest.h>

#include <string>

#include "schema/types.h"

namespace warmfs::fuse {
namespace {

std::string Full(char c) { return std::string(kBlockBytes, c); }

BlockBytes Of(const std::string& bytes) {
  return std::make_shared<const Buffer>(bytes);
}

std::string Read(const Blocks& blocks, uint64_t offset, size_t size) {
  const BlockPieces pieces = BlockPieces::Of(blocks, offset, size);
  EXPECT_EQ(pieces.ToString().size(), pieces.size());
  return pieces.ToString();
}

TEST(BlockPiecesTest, BeginsAndEndsWithinBlocks) {
  const Blocks blocks = {{2, Of(Full('a'))}, {3, Of(Full('b'))}};
  EXPECT_EQ(Read(blocks, 3 * kBlockBytes - 2, 5), "aabbb");
  EXPECT_EQ(Read(blocks, 2 * kBlockBytes, 2 * kBlockBytes),
            Full('a') + Full('b'));
  EXPECT_EQ(Read(blocks, 3 * kBlockBytes, 0), "");
}

TEST(BlockPiecesTest, StopsAtAGapAndAfterABlockThatIsNotFull) {
  const Blocks blocks = {{0, Of(Full('a'))}, {2, Of("end")}, {3, Of("no")}};
  EXPECT_EQ(Read(blocks, kBlockBytes - 1, 100), "a");
  EXPECT_EQ(Read(blocks, kBlockBytes, 100), "");
  EXPECT_EQ(Read(blocks, 2 * kBlockBytes + 1, 2 * kBlockBytes), "nd");
  EXPECT_EQ(Read(blocks, 2 * kBlockBytes + 3, 1), "");
}

TEST(BlockPiecesTest, AreNotCopiedAndStayWhenTheBlocksGo) {
  Blocks blocks = {{0, Of(Full('a'))}};
  const char* const bytes = blocks[0]->data();
  const BlockPieces pieces = BlockPieces::Of(blocks, 10, 5);
  blocks.clear();
  ASSERT_EQ(pieces.pieces().size(), 1u);
  EXPECT_EQ(pieces.pieces()[0].iov_base, bytes + 10);
  EXPECT_EQ(pieces.ToString(), "aaaaa");
}

}  // namespace
}  // namespace warmfs::fuse
