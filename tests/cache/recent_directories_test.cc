// What is remembered of directories is refused once it has changed, and has a
// bound.

#include "cache/recent_directories.h"

#include <gtest/gtest.h>

#include "tests/cache/support.h"

namespace warmfs::cache {
namespace {

using Items = RecentDirectories::Items;

FileId Dir(uint64_t number) { return {7, number}; }

Items OfSize(size_t count) {
  Items items(count);
  for (size_t i = 0; i < count; ++i) {
    items[i] = {i + 1, std::to_string(i), FileAttr(i).id};
  }
  return items;
}

class RecentDirectoriesTest : public testing::Test {
 protected:
  void Remember(uint64_t number, size_t count) {
    recent_.Remember(Dir(number), recent_.version(Dir(number)), OfSize(count));
  }
  bool Has(uint64_t number) { return recent_.Find(Dir(number)) != nullptr; }

  RecentDirectories recent_;
};

TEST_F(RecentDirectoriesTest, GivesWhatItWasGiven) {
  Remember(1, 2);
  const auto items = recent_.Find(Dir(1));
  ASSERT_NE(items, nullptr);
  ASSERT_EQ(items->size(), 2u);
  EXPECT_EQ((*items)[1].name, "1");
  EXPECT_EQ((*items)[1].cookie, 2u);
  EXPECT_EQ((*items)[1].id, FileAttr(1).id);
  EXPECT_FALSE(Has(2));
}

TEST_F(RecentDirectoriesTest, WhatHasChangedIsForgotten) {
  Remember(1, 2);
  Remember(2, 2);
  recent_.Changed(Dir(1));
  EXPECT_FALSE(Has(1));
  EXPECT_TRUE(Has(2));
}

TEST_F(RecentDirectoriesTest, AllMayHaveChanged) {
  const uint64_t before = recent_.version(Dir(3));
  Remember(1, 2);
  Remember(2, 2);
  recent_.AllChanged();
  EXPECT_FALSE(Has(1) || Has(2));
  recent_.Remember(Dir(3), before, OfSize(1));
  EXPECT_FALSE(Has(3));
}

TEST_F(RecentDirectoriesTest, WhatWasReadBeforeAChangeIsRefusedAfterIt) {
  const uint64_t before = recent_.version(Dir(1));
  const uint64_t now = recent_.Changed(Dir(1));
  recent_.Remember(Dir(1), before, OfSize(1));
  EXPECT_FALSE(Has(1));
  recent_.Remember(Dir(1), now, OfSize(1));
  EXPECT_TRUE(Has(1));
}

TEST_F(RecentDirectoriesTest, TheOneOfNoUseForLongestGoesFirst) {
  const size_t fit =
      RecentDirectories::kMostNames / (RecentDirectories::kMostOfOne + 1);
  for (size_t i = 0; i < fit; ++i) Remember(i, RecentDirectories::kMostOfOne);
  EXPECT_TRUE(Has(0));
  Remember(fit, RecentDirectories::kMostOfOne);
  EXPECT_TRUE(Has(0));
  EXPECT_FALSE(Has(1));
  EXPECT_TRUE(Has(2));
}

TEST_F(RecentDirectoriesTest, EmptyOnesHaveABoundToo) {
  for (size_t i = 0; i <= RecentDirectories::kMostNames; ++i) Remember(i, 0);
  EXPECT_FALSE(Has(0));
  EXPECT_TRUE(Has(1));
}

TEST_F(RecentDirectoriesTest, ALargeOneIsNotRemembered) {
  Remember(1, RecentDirectories::kMostOfOne + 1);
  EXPECT_FALSE(Has(1));
}

}  // namespace
}  // namespace warmfs::cache
