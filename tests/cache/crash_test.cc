// A client killed in the midst of writing: what is found afterwards is
// something that was put, and what was acknowledged is not lost.

#include <algorithm>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cache/support.h"
#include "tests/cache/writer.h"

namespace warmfs::cache {
namespace {

using testing::IsEmpty;

class Crash : public testing::Test {
 protected:
  // Answers the last step that the writer finished before it was killed.
  uint64_t WriteAndKill(uint64_t first_step, int steps) {
    Writer writer(dir_.path(), first_step);
    uint64_t last = first_step;
    for (int i = 0; i < steps; ++i) {
      const auto step = writer.NextLine();
      EXPECT_TRUE(step.has_value()) << "the writer ended by itself";
      last = step.value_or(last);
    }
    writer.Kill();
    return last;
  }

  // Listings have a log: the last one that was put whole is there, or the one
  // in the making. Except the large one, which is not complete in the making.
  void CheckListing(Cache& cache, uint64_t dir, uint64_t last_step) {
    const auto node = cache.GetNode(DirAttr(dir).id);
    ASSERT_TRUE(node.has_value());
    if (!node->listing_complete) {
      EXPECT_EQ(dir, kWriterDirs);
      return;
    }
    const uint64_t step = node->digest.lo;
    EXPECT_EQ(node->digest.hi, dir);
    EXPECT_GT(step + kWriterDirs, last_step);
    EXPECT_EQ(node->attr, DirAttr(dir, step));
    std::map<std::string, FileId> expected;
    for (const DirEntry& entry : WriterListing(dir, step)) {
      expected[entry.name] = entry.attr.id;
    }
    std::map<std::string, FileId> found;
    EXPECT_TRUE(cache.ReadDir(node->attr.id, 0, [&](const EntryView& entry) {
      return found.emplace(entry.name, entry.id).second;
    }));
    EXPECT_TRUE(found == expected) << "directory " << dir << " step " << step;
  }

  // Of content the last may be lost, but what is there belongs to its version.
  void CheckContent(Cache& cache) {
    uint64_t bytes = 0;
    for (uint64_t file = 1; file <= kWriterFiles; ++file) {
      const auto block = cache.GetBlock(FileAttr(file).id, 0);
      if (!block.has_value()) continue;
      const auto step = static_cast<uint64_t>(block->version.mtime.sec);
      EXPECT_EQ(block->version, WriterAttr(file, step).version());
      EXPECT_TRUE(block->bytes == WriterBytes(file, step)) << "file " << file;
      bytes += block->bytes.size();
    }
    EXPECT_EQ(cache.usage().content_bytes, bytes);
    EXPECT_EQ(cache.counters().hash_mismatches, 0u);
  }

  TempDir dir_;
};

TEST_F(Crash, KilledInTheMidstOfWritingTheCacheIsConsistent) {
  uint64_t step = 1;
  for (const int steps : {1, 7, 60, 13, 120}) {
    const uint64_t last = WriteAndKill(step, steps);
    auto cache = MustOpen(OptionsFor(dir_.path()));
    ASSERT_TRUE(cache->health().persistent) << cache->health().reason;
    EXPECT_THAT(Faults(*cache), IsEmpty());
    const uint64_t dirs = std::min<uint64_t>(last, kWriterDirs);
    for (uint64_t s = last - dirs + 1; s <= last; ++s) {
      CheckListing(*cache, 1 + s % kWriterDirs, last);
    }
    CheckContent(*cache);
    step = last + 1;
  }
}

}  // namespace
}  // namespace warmfs::cache
