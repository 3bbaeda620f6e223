// Blocks between the host's answer and the database.

#include "fuse/recent_blocks.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "cache/cache.h"
#include "fuse/block_writer.h"
#include "schema/types.h"

namespace warmfs::fuse {
namespace {

constexpr FileId kFile{1, 2};

BlockBytes Of(const std::string& bytes) {
  return std::make_shared<const Buffer>(bytes);
}

BlockBytes Full(char c) { return Of(std::string(kBlockBytes, c)); }

RecentBlocks::Block BlockOf(char c, uint64_t size = 1) {
  return {{.id = kFile, .size = size}, false, Full(c)};
}

TEST(RecentBlocksTest, TheLatestOfABlockIsFound) {
  RecentBlocks recent;
  EXPECT_FALSE(recent.Get(kFile, 7));
  recent.Put(7, BlockOf('a', 1));
  recent.Put(7, BlockOf('b', 2));
  ASSERT_TRUE(recent.Get(kFile, 7));
  EXPECT_EQ(recent.Get(kFile, 7)->version.size, 2u);
  EXPECT_EQ(recent.Get(kFile, 7)->bytes->data()[0], 'b');
  EXPECT_FALSE(recent.Get(kFile, 8));
  EXPECT_FALSE(recent.Get({3, 4}, 7));
}

TEST(RecentBlocksTest, TheOldestGoWhenThereAreTooMany) {
  constexpr uint64_t kMost = RecentBlocks::kMostBytes / kBlockBytes;
  RecentBlocks recent;
  for (uint64_t i = 0; i <= kMost; ++i) {
    recent.Put(i, BlockOf('x'));
    recent.Put(i, BlockOf('y'));
  }
  EXPECT_FALSE(recent.Get(kFile, 0));
  EXPECT_TRUE(recent.Get(kFile, 1));
  EXPECT_TRUE(recent.Get(kFile, kMost));
}

TEST(RecentBlocksTest, WhatIsDroppedIsGoneAndLeavesRoom) {
  constexpr uint64_t kMost = RecentBlocks::kMostBytes / kBlockBytes;
  RecentBlocks recent;
  const FileId other{3, 4};
  RecentBlocks::Block block = BlockOf('o');
  block.version.id = other;
  recent.Put(0, block);
  for (uint64_t i = 0; i + 1 < kMost; ++i) recent.Put(i, BlockOf('x'));
  recent.Drop(kFile);
  EXPECT_FALSE(recent.Get(kFile, 0));
  EXPECT_TRUE(recent.Get(other, 0));
  for (uint64_t i = 0; i + 1 < kMost; ++i) recent.Put(i, BlockOf('y'));
  EXPECT_TRUE(recent.Get(other, 0));
  EXPECT_TRUE(recent.Get(kFile, 0));
}

TEST(RecentBlocksTest, SmallBlocksAreBoundedByTheirNumber) {
  RecentBlocks recent;
  const auto put = [&](uint64_t file) {
    recent.Put(0, {{.id = {file, file}}, false, Of("small")});
  };
  for (uint64_t i = 0; i <= RecentBlocks::kMostBlocks; ++i) put(i);
  EXPECT_FALSE(recent.Get({0, 0}, 0));
  EXPECT_TRUE(recent.Get({1, 1}, 0));
  // Dropped and put anew, it is the newest.
  recent.Drop({1, 1});
  put(1);
  for (uint64_t i = 0; i + 1 < RecentBlocks::kMostBlocks; ++i) {
    put(10'000 + i);
  }
  EXPECT_TRUE(recent.Get({1, 1}, 0));
  EXPECT_FALSE(recent.Get({2, 2}, 0));
}

TEST(BlockWriterTest, WhatIsDroppedIsNotInTheCacheWhenItHasEnded) {
  auto cache = cache::Cache::Open({.directory = "", .identity = "test"});
  ASSERT_TRUE(cache.ok()) << cache.status();
  const Attr attr{.id = kFile, .size = 64 * kBlockBytes};
  {
    BlockWriter writer(**cache);
    for (uint64_t i = 0; i < 64; ++i) writer.Add(attr, i, {Full('a')});
    writer.Drop(kFile);
    (*cache)->EvictFile(kFile);
  }
  for (uint64_t i = 0; i < 64; ++i) EXPECT_FALSE((*cache)->GetBlock(kFile, i));
}

TEST(BlockWriterTest, SmallFilesAreFoundBeforeTheyAreWritten) {
  auto cache = cache::Cache::Open({.directory = "", .identity = "test"});
  ASSERT_TRUE(cache.ok()) << cache.status();
  constexpr uint64_t kFiles = RecentBlocks::kMostBlocks + 1000;
  const auto attr = [](uint64_t i) { return Attr{.id = {i, i}, .size = i}; };
  BlockWriter writer(**cache);
  const auto small = Of("small");
  for (uint64_t i = 1; i <= kFiles; ++i) writer.Add(attr(i), 0, {small});
  for (uint64_t i = 1; i <= kFiles; ++i) {
    const auto found = writer.Find({i, i}, 0);
    const bool here = found && found->version == attr(i).version();
    ASSERT_TRUE(here || (*cache)->HoldsContent({i, i})) << i;
    EXPECT_FALSE(writer.Find({i, i}, 1));
  }
  writer.Drop({1, 1});
  writer.Drop({kFiles, kFiles});
  writer.Flush();
  EXPECT_FALSE(writer.IsDropping({1, 1}));
  for (uint64_t i = 1; i <= kFiles; ++i) {
    const auto block = (*cache)->GetBlock({i, i}, 0);
    ASSERT_EQ(block.has_value(), i != 1 && i != kFiles) << i;
    if (block) {
      ASSERT_EQ(block->version, attr(i).version());
    }
  }
}

TEST(BlockWriterTest, OfAFileThatCameTwiceTheLaterStays) {
  auto cache = cache::Cache::Open({.directory = "", .identity = "test"});
  ASSERT_TRUE(cache.ok()) << cache.status();
  BlockWriter writer(**cache);
  for (char c : {'a', 'b', 'c'}) {
    const Attr attr{.id = kFile, .size = static_cast<uint64_t>(c)};
    writer.Add(attr, 0, {Full(c)});
    EXPECT_EQ(writer.Find(kFile, 0)->bytes->data()[0], c);
  }
  writer.Flush();
  EXPECT_EQ((*cache)->GetBlock(kFile, 0)->bytes, *Full('c'));
}

TEST(BlockWriterTest, NothingWaitsForLongerThanItsDelay) {
  auto cache = cache::Cache::Open({.directory = "", .identity = "test"});
  ASSERT_TRUE(cache.ok()) << cache.status();
  BlockWriter writer(**cache);
  writer.Add({.id = kFile, .size = 5}, 0, {Of("small")});
  const absl::Time limit = absl::Now() + 20 * BlockWriter::kDelay;
  while (!(*cache)->HoldsContent(kFile)) {
    ASSERT_LT(absl::Now(), limit);
    absl::SleepFor(absl::Milliseconds(10));
  }
}

TEST(BlockWriterTest, WhatItWasGivenIsInTheCacheWhenItHasEnded) {
  auto cache = cache::Cache::Open({.directory = "", .identity = "test"});
  ASSERT_TRUE(cache.ok()) << cache.status();
  const Attr attr{.id = kFile, .size = 3 * kBlockBytes};
  {
    BlockWriter writer(**cache);
    writer.Add(attr, 0, {Full('a'), Full('b')});
    writer.Add(attr, 2, {Full('c')});
    writer.AwaitRoom();
  }
  for (uint64_t i = 0; i < 3; ++i) {
    const auto block = (*cache)->GetBlock(kFile, i);
    ASSERT_TRUE(block) << i;
    EXPECT_EQ(block->version, attr.version());
    EXPECT_EQ(block->bytes, *Full(static_cast<char>('a' + i)));
  }
}

}  // namespace
}  // namespace warmfs::fuse
