// What the cache promises of large files, whose bytes are in content files on
// disk, and in the database in memory.

#include <filesystem>
#include <fstream>
#include <functional>

#include "cache/content_files.h"
#include "cache/inspector.h"
#include "gmock/gmock.h"
#include "tests/cache/contract.h"

namespace warmfs::cache {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

class LargeContent : public CacheContract {
 protected:
  // Of one generation: what the tests put as one file.
  void PutFile(uint64_t number, uint64_t blocks = 4, uint64_t generation = 1) {
    PutFile(LargeAttr(number, generation), blocks, generation);
  }
  void PutFile(const Attr& attr, uint64_t blocks, uint64_t generation) {
    for (uint64_t i = 0; i < blocks; ++i) {
      PutBlock(cache(), attr, i, BytesOf(attr.id.lo, i, generation));
    }
  }
  static std::string BytesOf(uint64_t number, uint64_t index,
                             uint64_t generation = 1) {
    return Bytes(kBlockBytes, number * 100 + index, generation);
  }
  bool Has(uint64_t number, uint64_t index, uint64_t generation = 1) {
    const auto block = cache().GetBlock(LargeAttr(number).id, index);
    if (!block.has_value()) return false;
    EXPECT_EQ(block->version.mtime.sec, static_cast<int64_t>(generation));
    EXPECT_EQ(block->bytes, BytesOf(number, index, generation));
    return true;
  }
  std::string Path(uint64_t number) const {
    return ContentPath(directory(), LargeAttr(number));
  }
};
INSTANTIATE_TEST_SUITE_P(Storage, LargeContent,
                         testing::Values(StorageKind::kDisk,
                                         StorageKind::kMemory),
                         KindName);

TEST_P(LargeContent, BlocksComeBackWithTheirVersion) {
  PutFile(1);
  PutBlock(cache(), LargeAttr(1), 31, "the end");
  PutBlock(cache(), LargeAttr(2), 5, "");
  Reopen();
  for (uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(Has(1, i));
  EXPECT_FALSE(Has(1, 4));
  EXPECT_EQ(cache().GetBlock(LargeAttr(1).id, 31)->bytes, "the end");
  EXPECT_EQ(cache().GetBlock(LargeAttr(2).id, 5)->bytes, "");
  EXPECT_EQ(cache().usage().content_bytes, 4 * kBlockBytes + 7);
  EXPECT_THAT(Faults(cache()), IsEmpty());
  EXPECT_EQ(fs::exists(Path(1)), on_disk());
  EXPECT_THAT(FilesEndingIn(directory(), ".blob"), IsEmpty());
}

TEST_P(LargeContent, ANewerVersionTakesThePlaceOfTheOlder) {
  for (uint64_t generation = 1; generation <= 5; ++generation) {
    PutFile(1, 4, generation);
  }
  Reopen();
  for (uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(Has(1, i, 5));
  EXPECT_EQ(cache().usage().content_bytes, 4 * kBlockBytes);
  EXPECT_EQ(cache().counters().hash_mismatches, 0u);
  if (on_disk()) {
    EXPECT_EQ(fs::file_size(Path(1)), 4 * kBlockBytes);
  }
}

TEST_P(LargeContent, TheSameBytesOfANewerVersionTakeItsVersion) {
  PutBlock(cache(), LargeAttr(1, 1), 0, BytesOf(1, 0));
  PutBlock(cache(), LargeAttr(1, 2), 0, BytesOf(1, 0));
  const auto block = cache().GetBlock(LargeAttr(1).id, 0);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->version, LargeAttr(1, 2).version());
}

// The first size is small, the second large, and again.
TEST_P(LargeContent, AFileThatGrowsAndShrinksIsHeldOnce) {
  const uint64_t kSizes[] = {ContentFiles::kSmallFileBytes,
                             ContentFiles::kSmallFileBytes + 1};
  for (uint64_t generation = 1; generation <= 6; ++generation) {
    // The same bytes sometimes: they must move nonetheless.
    const uint64_t content = generation / 2;
    PutFile(FileAttr(1, kSizes[generation % 2], generation), 4, content);
    EXPECT_EQ(cache().usage().content_bytes, 4 * kBlockBytes);
    Reopen();
    for (uint64_t i = 0; i < 4; ++i) {
      const auto block = cache().GetBlock(LargeAttr(1).id, i);
      ASSERT_TRUE(block.has_value()) << generation;
      EXPECT_EQ(block->version.mtime.sec, static_cast<int64_t>(generation));
      EXPECT_EQ(block->bytes, BytesOf(1, i, content));
    }
    EXPECT_EQ(cache().usage().content_bytes, 4 * kBlockBytes);
    EXPECT_THAT(Faults(cache()), IsEmpty());
  }
  EXPECT_EQ(cache().EvictFile(LargeAttr(1).id), 4 * kBlockBytes);
  EXPECT_EQ(cache().usage().blocks, 0u);
  EXPECT_FALSE(fs::exists(Path(1)));
}

TEST_P(LargeContent, ABlockBeyondWhatAFileCanHoldIsHeldToo) {
  for (const uint64_t index : {uint64_t{1} << 26, uint64_t{1} << 62}) {
    PutBlock(cache(), FileAttr(1, UINT64_MAX), index, BytesOf(1, 0));
  }
  Reopen();
  for (const uint64_t index : {uint64_t{1} << 26, uint64_t{1} << 62}) {
    EXPECT_EQ(cache().GetBlock(LargeAttr(1).id, index)->bytes, BytesOf(1, 0));
  }
}

TEST_P(LargeContent, AForgottenFileHasNoContent) {
  PutFile(1);
  PutFile(2);
  Edit edit;
  edit.Forget(LargeAttr(1).id);
  cache().Commit(std::move(edit));
  EXPECT_FALSE(Has(1, 0));
  EXPECT_TRUE(Has(2, 3));
  EXPECT_EQ(cache().usage().content_bytes, 4 * kBlockBytes);
  EXPECT_FALSE(fs::exists(Path(1)));
}

TEST_P(LargeContent, WhatIsEvictedGivesItsSpaceBack) {
  for (uint64_t n = 1; n <= 10; ++n) PutFile(n, 8);
  PutBlock(cache(), FileAttr(20), 0, "small");
  ASSERT_TRUE(Has(1, 0));
  const uint64_t disk_bytes = cache().usage().disk_bytes;
  if (on_disk()) {
    EXPECT_GE(disk_bytes, 80 * kBlockBytes);
  }
  EXPECT_EQ(cache().Evict(16 * kBlockBytes), 9 * 8 * kBlockBytes);
  EXPECT_TRUE(Has(1, 7));
  EXPECT_FALSE(Has(2, 0));
  EXPECT_TRUE(cache().GetBlock(FileAttr(20).id, 0).has_value());
  EXPECT_EQ(cache().counters().evicted_files, 9u);
  if (on_disk()) {
    EXPECT_LE(cache().usage().disk_bytes, disk_bytes - 71 * kBlockBytes);
  }
  cache().Clear();
  EXPECT_EQ(cache().usage().content_bytes, 0u);
  EXPECT_FALSE(fs::exists(Path(1)));
}

TEST_P(LargeContent, AToolReadsAndVerifiesIt) {
  Attr attr = LargeAttr(2);
  attr.size = ContentFiles::kSmallFileBytes + 5;
  cache().PutListing(DirAttr(1), {{"large", attr, ""}}, {1, 1}, true);
  Edit edit;
  edit.PutEntry(kRoot, "dir", DirAttr(1).id);
  cache().Commit(std::move(edit));
  std::string bytes = Bytes(attr.size, 1);
  for (uint64_t i = 0; i < 9; ++i) {
    PutBlock(cache(), attr, i, bytes.substr(i * kBlockBytes, kBlockBytes));
  }
  Reopen();
  const VerifyReport report = cache().Verify([](std::string_view) {});
  EXPECT_EQ(report.bytes, attr.size);
  EXPECT_EQ(report.blocks, 9u);
  EXPECT_EQ(report.bad_blocks, 0u);
  size_t base64 = 0;
  nlohmann::json last;
  Inspector(cache()).Execute({{"command", "cat"}, {"path", "dir/large"}},
                             [&](const nlohmann::json& line) {
                               base64 += line.value("base64", "").size();
                               last = line;
                             });
  EXPECT_TRUE(last.value("done", false)) << last;
  EXPECT_GE(base64, attr.size * 4 / 3);
}

// Bytes that are not those of their header, whatever made them so.
class LostContent : public LargeContent {
 protected:
  // `spoil` gets the path of file 1, of two blocks, of which the second is to
  // be lost.
  void ExpectLost(const std::function<void(const std::string&)>& spoil) {
    PutFile(1, 2);
    Reopen();
    EXPECT_EQ(cache().usage().content_bytes, 2 * kBlockBytes);
    spoil(Path(1));
    EXPECT_THAT(Faults(cache()), IsEmpty());
    EXPECT_FALSE(Has(1, 1));
    EXPECT_EQ(cache().counters().hash_mismatches, 0u);
    EXPECT_TRUE(cache().health().persistent);
    EXPECT_EQ(cache().usage().content_bytes,
              cache().ContentBytes(LargeAttr(1).id));
    EXPECT_LE(cache().usage().content_bytes, kBlockBytes);
    PutFile(1, 2);
    Reopen();
    EXPECT_TRUE(Has(1, 0));
    EXPECT_TRUE(Has(1, 1));
    EXPECT_EQ(cache().usage().content_bytes, 2 * kBlockBytes);
  }
};
INSTANTIATE_TEST_SUITE_P(Storage, LostContent,
                         testing::Values(StorageKind::kDisk), KindName);

TEST_P(LostContent, AFileThatWasCutShort) {
  ExpectLost([&](const std::string& path) {
    fs::resize_file(path, kBlockBytes + 100);
    EXPECT_TRUE(Has(1, 0));
  });
}

TEST_P(LostContent, AHole) {
  ExpectLost([&](const std::string& path) {
    fs::resize_file(path, kBlockBytes);
    fs::resize_file(path, 2 * kBlockBytes);
    EXPECT_TRUE(Has(1, 0));
  });
}

TEST_P(LostContent, OtherBytes) {
  ExpectLost([&](const std::string& path) {
    FlipBytes(path, kBlockBytes + 5000, 1);
    EXPECT_TRUE(Has(1, 0));
  });
}

TEST_P(LostContent, AFileThatIsGone) {
  ExpectLost([&](const std::string& path) {
    fs::remove(path);
    EXPECT_FALSE(Has(1, 0));
  });
}

TEST_P(LostContent, BytesOfTheVersionBefore) {
  PutFile(1, 2, 1);
  fs::copy_file(Path(1), directory() + "/before");
  PutFile(1, 2, 2);
  Reopen();
  fs::copy_file(directory() + "/before", Path(1),
                fs::copy_options::overwrite_existing);
  EXPECT_FALSE(Has(1, 0, 2));
  EXPECT_EQ(cache().counters().hash_mismatches, 0u);
  PutFile(1, 2, 2);
  EXPECT_TRUE(Has(1, 0, 2));
}

class Orphans : public LargeContent {};
INSTANTIATE_TEST_SUITE_P(Storage, Orphans, testing::Values(StorageKind::kDisk),
                         KindName);

TEST_P(Orphans, AreRemovedAfterOpening) {
  for (uint64_t n = 1; n <= 3; ++n) PutFile(n);
  const std::string saved = directory() + "/saved";
  fs::copy_file(Path(2), saved);
  cache().EvictFile(LargeAttr(2).id);  // killed before the file went
  fs::copy_file(saved, Path(2));
  // Small by now, and its content in the database.
  PutFile(FileAttr(3, 5, 2), 4, 2);
  EXPECT_TRUE(fs::exists(Path(3)));
  const std::string foreign = directory() + "/content/thesis.txt";
  std::ofstream(foreign) << "years of work";
  Reopen();
  cache().Flush();
  EXPECT_TRUE(fs::exists(Path(1)));
  EXPECT_FALSE(fs::exists(Path(2)));
  EXPECT_FALSE(fs::exists(Path(3)));
  EXPECT_TRUE(fs::exists(foreign));
  EXPECT_TRUE(Has(1, 3));
  EXPECT_TRUE(Has(3, 3, 2));
}

TEST_P(Orphans, AWipeLeavesNoneAndTakesNothingElse) {
  for (uint64_t n = 1; n <= 3; ++n) PutFile(n);
  const std::string foreign = directory() + "/content/thesis.txt";
  std::ofstream(foreign) << "years of work";
  CacheOptions other = Options();
  other.identity = "export-2";
  Close();
  auto cache = MustOpen(other);
  EXPECT_TRUE(cache->health().persistent);
  for (uint64_t n = 1; n <= 3; ++n) EXPECT_FALSE(fs::exists(Path(n)));
  EXPECT_TRUE(fs::exists(foreign));
  PutBlock(*cache, LargeAttr(1), 0, BytesOf(1, 0));
  EXPECT_TRUE(cache->GetBlock(LargeAttr(1).id, 0).has_value());
}

TEST_P(Orphans, AFolderThatIsNotOursMeansMemory) {
  PutFile(1);
  Close();
  fs::rename(directory() + "/content", directory() + "/elsewhere");
  fs::create_directory_symlink(directory() + "/elsewhere",
                               directory() + "/content");
  auto cache = MustOpen(Options());
  EXPECT_FALSE(cache->health().persistent);
  EXPECT_THAT(cache->health().reason, HasSubstr("content: Not a directory"));
  PutBlock(*cache, LargeAttr(1), 0, BytesOf(1, 0));
  EXPECT_TRUE(cache->GetBlock(LargeAttr(1).id, 0).has_value());
}

TEST_P(Orphans, AFileThatCannotBeWrittenMeansMemory) {
  const std::string path = Path(1);
  fs::create_directories(path);  // a directory in its place
  PutFile(1);
  EXPECT_FALSE(cache().health().persistent);
  EXPECT_THAT(cache().health().reason, HasSubstr("Is a directory"));
  PutFile(1);
  EXPECT_TRUE(Has(1, 3));
}

}  // namespace
}  // namespace warmfs::cache
