// What is fetched along with what was missing.

#include "fuse/prefetch.h"

#include <gtest/gtest.h>

#include <utility>

namespace warmfs::fuse {
namespace {

constexpr FileId kDir = {1, 1}, kFile = {2, 2};
constexpr Instant kSecond = 1'000'000'000;

TEST(PrefetchTest, AStreakDoublesUpToABound) {
  Prefetch prefetch;
  Instant now = kSecond;
  EXPECT_EQ(prefetch.FilesAhead(kDir, kFile, now), 0)
      << "one file is no streak";
  for (const int expected : {8, 16, 32, 64, 128, 128, 128}) {
    EXPECT_EQ(prefetch.FilesAhead(kDir, kFile, now += kSecond), expected);
  }
  EXPECT_EQ(Prefetch::kMostFiles, 128);
}

TEST(PrefetchTest, AStreakEndsWithTime) {
  Prefetch prefetch;
  EXPECT_EQ(prefetch.FilesAhead(kDir, kFile, kSecond), 0);
  EXPECT_EQ(prefetch.FilesAhead(kDir, kFile, kSecond + Prefetch::kWithin - 1),
            8);
  const Instant later = kSecond + Prefetch::kWithin - 1 + Prefetch::kWithin;
  EXPECT_EQ(prefetch.FilesAhead(kDir, kFile, later), 0) << "just too late";
  EXPECT_EQ(prefetch.FilesAhead(kDir, kFile, later + 1), 8)
      << "starts small again";
}

TEST(PrefetchTest, AReaderThatGoesOnIsExpectedToGoOnInTheNextDirectory) {
  Prefetch prefetch;
  Instant now = kSecond;
  for (const int expected : {0, 8, 16}) {
    EXPECT_EQ(prefetch.FilesAhead({1, 1}, kFile, ++now), expected);
  }
  EXPECT_EQ(prefetch.FilesAhead({1, 2}, kFile, ++now), 16);
  EXPECT_EQ(prefetch.FilesAhead({1, 2}, kFile, ++now), 32) << "as expected";
  EXPECT_EQ(prefetch.FilesAhead({1, 3}, kFile, ++now), 32);
  EXPECT_EQ(prefetch.FilesAhead({1, 4}, kFile, ++now), 0)
      << "but one file in the last";
}

// The kernel has most of what he reads, and tells of the rest only.
TEST(PrefetchTest, WhoReadsWhatIsExpectedGoesOnInWhateverDirectory) {
  Prefetch prefetch;
  Instant now = kSecond;
  for (const int expected : {0, 8, 16}) {
    EXPECT_EQ(prefetch.FilesAhead({1, 1}, kFile, ++now), expected);
  }
  for (uint64_t i = 2; i <= 4; ++i) prefetch.Expect({2, i});
  EXPECT_EQ(prefetch.FilesAhead({1, 2}, {2, 2}, ++now), 32);
  EXPECT_EQ(prefetch.FilesAhead({1, 3}, {2, 3}, ++now), 64);
  EXPECT_EQ(prefetch.FilesAhead({1, 4}, {2, 4}, now + Prefetch::kWithin), 0)
      << "not so late";
}

TEST(PrefetchTest, WhatIsExpectedIsForgottenInTime) {
  Prefetch prefetch;
  prefetch.FilesAhead({1, 1}, kFile, kSecond);
  prefetch.FilesAhead({1, 1}, kFile, kSecond);
  for (uint64_t i = 0; i <= 2 * Prefetch::kMostExpected; ++i) {
    prefetch.Expect({3, i});
  }
  EXPECT_EQ(prefetch.FilesAhead({1, 2}, {3, 0}, kSecond), 8) << "as any other";
  EXPECT_EQ(prefetch.FilesAhead({1, 3}, {3, 1}, kSecond), 0);
}

TEST(PrefetchTest, ThatExpectationEndsWithTime) {
  Prefetch prefetch;
  prefetch.FilesAhead({1, 1}, kFile, kSecond);
  prefetch.FilesAhead({1, 1}, kFile, kSecond);
  EXPECT_EQ(prefetch.FilesAhead({1, 2}, kFile, kSecond + Prefetch::kWithin), 0);
}

TEST(PrefetchTest, DirectoriesHaveStreaksOfTheirOwn) {
  Prefetch prefetch;
  EXPECT_EQ(prefetch.FilesAhead({1, 1}, kFile, kSecond), 0);
  EXPECT_EQ(prefetch.FilesAhead({1, 2}, kFile, kSecond), 0);
  EXPECT_EQ(prefetch.FilesAhead({1, 1}, kFile, kSecond + 1), 8);
  EXPECT_EQ(prefetch.FilesAhead({1, 2}, kFile, kSecond + 1), 8);
}

TEST(PrefetchTest, WhatIsRememberedIsBounded) {
  Prefetch prefetch;
  prefetch.FilesAhead(kDir, kFile, kSecond);
  for (uint64_t n = 0; n < Prefetch::kRemembered; ++n) {
    prefetch.FilesAhead({9, n}, kFile, kSecond);
  }
  EXPECT_EQ(prefetch.FilesAhead(kDir, kFile, kSecond + 1), 0) << "forgotten";
  EXPECT_EQ(prefetch.FilesAhead(kDir, kFile, kSecond + 2), 8);
}

using Pair = std::pair<uint64_t, uint64_t>;

Pair Blocks(Prefetch& prefetch, uint64_t first, uint64_t last,
            const FileId& file = kFile) {
  const Prefetch::Span span = prefetch.Blocks(file, first, last);
  return {span.first, span.last};
}

TEST(PrefetchTest, SequentialReadersGetWholeWindows) {
  Prefetch prefetch;
  ASSERT_EQ(Prefetch::kWindowBlocks, 8u);
  EXPECT_EQ(Blocks(prefetch, 0, 0), Pair(0, 7)) << "from the start";
  EXPECT_EQ(Blocks(prefetch, 8, 8), Pair(8, 15));
  EXPECT_EQ(Blocks(prefetch, 17, 18), Pair(16, 23));
}

TEST(PrefetchTest, ReadsThatOvertakeEachOtherAreSequential) {
  Prefetch prefetch;
  EXPECT_EQ(Blocks(prefetch, 8, 8), Pair(8, 15));
  EXPECT_EQ(Blocks(prefetch, 0, 0), Pair(0, 7));
  EXPECT_EQ(Blocks(prefetch, 16, 16), Pair(16, 23));
  EXPECT_EQ(Blocks(prefetch, 12, 12), Pair(8, 15));
}

TEST(PrefetchTest, ReadersThatJumpGetWhatTheyAskedFor) {
  Prefetch prefetch;
  EXPECT_EQ(Blocks(prefetch, 100, 101), Pair(100, 101));
  EXPECT_EQ(Blocks(prefetch, 50, 50), Pair(50, 50));
  EXPECT_EQ(Blocks(prefetch, 900, 900), Pair(900, 900));
}

TEST(PrefetchTest, ALargeReadIsNeverCutShort) {
  Prefetch prefetch;
  EXPECT_EQ(Blocks(prefetch, 0, 40), Pair(0, 40));
  EXPECT_EQ(Blocks(prefetch, 41, 90), Pair(40, 90));
  EXPECT_EQ(Blocks(prefetch, 5'000, 5'090), Pair(5'000, 5'090));
}

TEST(PrefetchTest, FilesAreReadIndependently) {
  Prefetch prefetch;
  for (uint64_t n = 0; n < 2 * Prefetch::kRemembered; ++n) {
    EXPECT_EQ(Blocks(prefetch, 0, 0, {3, n}), Pair(0, 7));
  }
}

}  // namespace
}  // namespace warmfs::fuse
