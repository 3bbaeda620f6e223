// What the cache promises of content.

#include "gmock/gmock.h"
#include "tests/cache/contract.h"

namespace warmfs::cache {
namespace {

using testing::IsEmpty;

class Content : public CacheContract {};
INSTANTIATE_TEST_SUITE_P(Storage, Content,
                         testing::Values(StorageKind::kDisk,
                                         StorageKind::kMemory),
                         KindName);

TEST_P(Content, BlocksComeBackWithTheirVersion) {
  Attr attr = FileAttr(1, 2 * kBlockBytes + 10);
  attr.racy = true;
  const std::string full = Bytes(kBlockBytes, 1);
  const std::string more = Bytes(kBlockBytes, 2);
  const std::vector<std::string_view> blocks = {full, more, "end of file"};
  cache().PutBlocks(attr, 0, blocks);
  Reopen();
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto block = cache().GetBlock(attr.id, i);
    ASSERT_TRUE(block.has_value());
    EXPECT_EQ(block->bytes, blocks[i]);
    EXPECT_EQ(block->version, attr.version());
    EXPECT_TRUE(block->racy);
  }
  EXPECT_FALSE(cache().GetBlock(attr.id, 3).has_value());
  EXPECT_EQ(cache().counters().block_hits, 3u);
  EXPECT_EQ(cache().counters().block_misses, 1u);
  EXPECT_THAT(Faults(cache()), IsEmpty());
}

TEST_P(Content, AnEmptyBlockIsABlock) {
  PutBlock(cache(), FileAttr(1), 0, "");
  ASSERT_TRUE(cache().GetBlock(FileAttr(1).id, 0).has_value());
  EXPECT_EQ(cache().usage().blocks, 1u);
}

TEST_P(Content, ABlockTooLongIsNotKept) {
  PutBlock(cache(), FileAttr(1), 0, Bytes(kBlockBytes + 1, 1));
  EXPECT_FALSE(cache().GetBlock(FileAttr(1).id, 0).has_value());
  EXPECT_EQ(cache().usage().content_bytes, 0u);
}

TEST_P(Content, AnOverwrittenBlockIsCountedOnce) {
  for (uint64_t generation = 1; generation <= 5; ++generation) {
    PutBlock(cache(), FileAttr(1, 0, generation), 0,
             Bytes(10000 * generation, 1, generation));
  }
  EXPECT_EQ(cache().usage().content_bytes, 50000u);
  EXPECT_EQ(cache().usage().blocks, 1u);
  EXPECT_EQ(cache().ContentBytes(FileAttr(1).id), 50000u);
  EXPECT_EQ(cache().GetBlock(FileAttr(1).id, 0)->version,
            FileAttr(1, 0, 5).version());
}

TEST_P(Content, TheSameBytesOfANewerVersionTakeItsVersion) {
  const std::string bytes = Bytes(kBlockBytes, 1);
  PutBlock(cache(), FileAttr(1, bytes.size(), 1), 0, bytes);
  PutBlock(cache(), FileAttr(1, bytes.size(), 2), 0, bytes);
  Reopen();
  const auto block = cache().GetBlock(FileAttr(1).id, 0);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->version, FileAttr(1, bytes.size(), 2).version());
  EXPECT_EQ(block->bytes, bytes);
  EXPECT_EQ(cache().usage().blocks, 1u);
}

TEST_P(Content, TheTotalIsExactAfterReopening) {
  uint64_t total = 0;
  for (uint64_t file = 1; file <= 50; ++file) {
    const std::string bytes = Bytes(file * 997, file);
    PutBlock(cache(), FileAttr(file), file % 3, bytes);
    total += bytes.size();
  }
  EXPECT_EQ(cache().usage().content_bytes, total);
  Reopen();
  EXPECT_EQ(cache().usage().content_bytes, total);
  EXPECT_EQ(cache().usage().blocks, 50u);
  EXPECT_EQ(cache().EvictFile(FileAttr(50).id), 50u * 997);
  EXPECT_EQ(cache().usage().content_bytes, total - 50 * 997);
}

TEST_P(Content, AForgottenFileHasNoContent) {
  PutBlock(cache(), FileAttr(1), 0, "one");
  PutBlock(cache(), FileAttr(1), 900, "two");
  PutBlock(cache(), FileAttr(2), 0, "other");
  Edit edit;
  edit.Forget(FileAttr(1).id);
  cache().Commit(std::move(edit));
  Reopen();
  EXPECT_FALSE(cache().GetBlock(FileAttr(1).id, 0).has_value());
  EXPECT_FALSE(cache().GetBlock(FileAttr(1).id, 900).has_value());
  EXPECT_TRUE(cache().GetBlock(FileAttr(2).id, 0).has_value());
  EXPECT_EQ(cache().usage().content_bytes, 5u);
}

TEST_P(Content, AFileOfManyBlocksIsRemovedWhole) {
  constexpr int kBlocks = 5000;  // more than one batch
  const std::vector<std::string_view> blocks(kBlocks, "tiny");
  cache().PutBlocks(FileAttr(1), 0, blocks);
  EXPECT_EQ(cache().EvictFile(FileAttr(1).id), 4u * kBlocks);
  EXPECT_EQ(cache().usage().blocks, 0u);
  EXPECT_EQ(cache().ContentBytes(FileAttr(1).id), 0u);
  EXPECT_FALSE(cache().GetBlock(FileAttr(1).id, kBlocks - 1).has_value());
}

TEST_P(Content, TheLeastRecentlyUsedFileGoesFirst) {
  for (uint64_t file = 1; file <= 10; ++file) {
    PutBlock(cache(), FileAttr(file), 0, Bytes(1000, file));
  }
  ASSERT_TRUE(cache().GetBlock(FileAttr(1).id, 0).has_value());
  ASSERT_TRUE(cache().GetBlock(FileAttr(4).id, 0).has_value());
  EXPECT_EQ(cache().Evict(3500), 7000u);
  for (uint64_t file : {1, 4, 10}) {
    EXPECT_TRUE(cache().GetBlock(FileAttr(file).id, 0).has_value()) << file;
  }
  for (uint64_t file : {2, 3, 5, 6, 7, 8, 9}) {
    EXPECT_FALSE(cache().GetBlock(FileAttr(file).id, 0).has_value()) << file;
  }
  EXPECT_EQ(cache().counters().evicted_files, 7u);
}

TEST_P(Content, WhatWasUsedIsKnownAfterReopening) {
  for (uint64_t file = 1; file <= 3; ++file) {
    PutBlock(cache(), FileAttr(file), 0, Bytes(1000, file));
  }
  ASSERT_TRUE(cache().GetBlock(FileAttr(1).id, 0).has_value());
  Reopen();
  cache().Evict(1000);
  EXPECT_TRUE(cache().GetBlock(FileAttr(1).id, 0).has_value());
  EXPECT_FALSE(cache().GetBlock(FileAttr(3).id, 0).has_value());
}

TEST_P(Content, EvictingToNothingLeavesNothing) {
  for (uint64_t file = 1; file <= 20; ++file) {
    PutBlock(cache(), FileAttr(file), 0, Bytes(5000, file));
  }
  EXPECT_EQ(cache().Evict(0), 100000u);
  EXPECT_EQ(cache().usage().content_bytes, 0u);
  EXPECT_EQ(cache().usage().blocks, 0u);
  EXPECT_EQ(cache().Evict(0), 0u);
}

}  // namespace
}  // namespace warmfs::cache
