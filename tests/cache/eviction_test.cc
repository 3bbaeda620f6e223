// The bound on content, kept in the background.

#include <filesystem>

#include "gmock/gmock.h"
#include "tests/cache/contract.h"

namespace warmfs::cache {
namespace {

using testing::IsEmpty;

constexpr uint64_t kMax = 8 << 20;

class Eviction : public testing::TestWithParam<StorageKind> {
 protected:
  Eviction() {
    CacheOptions options = OptionsFor(on_disk() ? dir_.path() : "");
    options.max_bytes = kMax;
    cache_ = MustOpen(options);
  }
  bool on_disk() const { return GetParam() == StorageKind::kDisk; }
  // A file of one full block; waits for what the housekeeper makes of it.
  void PutFile(uint64_t file) {
    PutBlock(*cache_, FileAttr(file), 0, Bytes(kBlockBytes, file));
    cache_->Flush();
  }
  bool Has(uint64_t file) {
    return cache_->GetBlock(FileAttr(file).id, 0).has_value();
  }

  TempDir dir_;
  std::unique_ptr<Cache> cache_;
};
INSTANTIATE_TEST_SUITE_P(Storage, Eviction,
                         testing::Values(StorageKind::kDisk,
                                         StorageKind::kMemory),
                         KindName);

TEST_P(Eviction, KeepsTheBoundAndTakesTheLeastRecentlyUsed) {
  constexpr uint64_t kFiles = 200;
  for (uint64_t file = 1; file <= kFiles; ++file) {
    PutFile(file);
    EXPECT_TRUE(Has(1)) << "used all the time, gone after " << file;
    EXPECT_LE(cache_->usage().content_bytes, kMax);
  }
  EXPECT_TRUE(Has(kFiles));
  EXPECT_TRUE(Has(kFiles - 40));
  EXPECT_FALSE(Has(2));
  EXPECT_FALSE(Has(kFiles - 80));
  EXPECT_GE(cache_->usage().content_bytes, kMax - kMax / 10 - kBlockBytes);
  EXPECT_GT(cache_->counters().evicted_files, 0u);
  EXPECT_THAT(Faults(*cache_), IsEmpty());
}

TEST_P(Eviction, GivesTheSpaceBack) {
  for (uint64_t file = 1; file <= 400; ++file) {
    PutBlock(*cache_, FileAttr(file), 0, Bytes(kBlockBytes, file));
    if (file % 20 == 0) cache_->Flush();
  }
  cache_->Flush();
  // 50 MiB went through; what is dead in the youngest blob files may stay.
  EXPECT_LT(cache_->usage().disk_bytes, 3 * kMax);
}

TEST_P(Eviction, WritersThatOutrunItLoseBlocksAndNotTheBound) {
  const std::string block = Bytes(kBlockBytes, 1);
  const std::vector<std::string_view> blocks(16, block);
  for (uint64_t i = 0; i < 40; ++i)
    cache_->PutBlocks(FileAttr(1), 16 * i, blocks);
  // The slack of 16 MiB, and the one call that went over it.
  EXPECT_LE(cache_->usage().content_bytes,
            kMax + (16 << 20) + 16 * kBlockBytes);
  cache_->Flush();
  EXPECT_LE(cache_->usage().content_bytes, kMax);
}

TEST(EvictionAtOpen, KeepsABoundThatHasBecomeSmaller) {
  TempDir dir;
  CacheOptions options = OptionsFor(dir.path());
  {
    auto cache = MustOpen(options);
    for (uint64_t file = 1; file <= 60; ++file) {
      PutBlock(*cache, FileAttr(file), 0, Bytes(kBlockBytes, file));
    }
  }
  options.max_bytes = 2 << 20;
  auto cache = MustOpen(options);
  cache->Flush();
  EXPECT_LE(cache->usage().content_bytes, options.max_bytes);
  EXPECT_TRUE(cache->GetBlock(FileAttr(60).id, 0).has_value());
  EXPECT_FALSE(cache->GetBlock(FileAttr(1).id, 0).has_value());
}

}  // namespace
}  // namespace warmfs::cache
