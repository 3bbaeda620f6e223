// Which directories are listed before anybody asks for them.

#include "fuse/scout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace warmfs::fuse {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class ScoutTest : public testing::Test {
 protected:
  static NodeRef Dir(int i) {
    return {"d" + std::to_string(i), {1, static_cast<uint64_t>(i)}};
  }
  // There are these in the root.
  void Tell(int first, int last) {
    std::vector<DirEntry> entries;
    for (int i = first; i <= last; ++i) {
      const NodeRef ref = Dir(i);
      entries.push_back({ref.path, {.id = ref.id, .mode = S_IFDIR}, ""});
    }
    entries.push_back({"file", {.id = {9, 9}, .mode = S_IFREG}, ""});
    scout_.Listed("", entries);
  }
  // All that is asked for comes.
  std::vector<NodeRef> Ask(int i) {
    const std::vector<NodeRef> ahead = scout_.Ahead(Dir(i), now_ += 1000);
    for (const NodeRef& ref : ahead) scout_.Came(ref.id);
    return ahead;
  }

  Scout scout_;
  Instant now_ = Scout::kWithin;
};

TEST_F(ScoutTest, OneOrTwoListingsAreNoWalk) {
  EXPECT_THAT(Ask(0), IsEmpty());
  Tell(1, 20);
  EXPECT_THAT(Ask(1), IsEmpty());
}

TEST_F(ScoutTest, FromTheThirdOnThoseThatAreKnownComeAlong) {
  EXPECT_THAT(Ask(0), IsEmpty());
  Tell(1, 100);
  EXPECT_THAT(Ask(1), IsEmpty());
  const std::vector<NodeRef> ahead = Ask(2);
  EXPECT_THAT(ahead, SizeIs(8));
  EXPECT_EQ(ahead[0].path, "d3") << "on that side on which the walk is";
}

TEST_F(ScoutTest, WhoComesFromTheOtherEndIsMetThere) {
  EXPECT_THAT(Ask(0), IsEmpty());
  Tell(1, 100);
  EXPECT_THAT(Ask(100), IsEmpty());
  EXPECT_EQ(Ask(99).at(0).path, "d98");
}

TEST_F(ScoutTest, TwiceAsManyEachTimeUpToABoundAsLongAsTheyAreWanted) {
  Ask(0);
  Tell(1, 1000);
  Ask(1);
  int next = 2;
  for (const size_t expected : {8, 16, 32, 64, 128, 128}) {
    const std::vector<NodeRef> ahead = Ask(next);
    ASSERT_THAT(ahead, SizeIs(expected));
    for (const NodeRef& ref : ahead) scout_.Wanted(ref.id);
    next += static_cast<int>(expected) + 1;
  }
}

TEST_F(ScoutTest, WhatNobodyWantedEndsIt) {
  Ask(0);
  Tell(1, 100);
  Ask(1);
  const std::vector<NodeRef> ahead = Ask(2);
  for (int i = 0; i < 3; ++i) scout_.Wanted(ahead[static_cast<size_t>(i)].id);
  EXPECT_THAT(Ask(50), IsEmpty());
  EXPECT_THAT(Ask(60), IsEmpty());
  EXPECT_THAT(Ask(70), SizeIs(8)) << "it begins anew";
}

TEST_F(ScoutTest, ListingsThatAreFarApartAreNoWalk) {
  Ask(0);
  Tell(1, 100);
  for (int i = 1; i < 10; ++i) {
    now_ += Scout::kWithin;
    EXPECT_THAT(Ask(i), IsEmpty());
  }
}

TEST_F(ScoutTest, WhatTheHostLeftOffIsAskedForAgain) {
  Ask(0);
  Tell(1, 10);
  Ask(1);
  const std::vector<NodeRef> ahead = scout_.Ahead(Dir(2), now_);
  ASSERT_THAT(ahead, SizeIs(8));
  scout_.Came(ahead[0].id);
  scout_.Wanted(ahead[0].id);
  for (size_t i = 1; i < ahead.size(); ++i) scout_.LeftOff(ahead[i]);
  EXPECT_THAT(Ask(11), SizeIs(7));
}

TEST_F(ScoutTest, NoneIsTakenTwice) {
  Ask(0);
  Tell(1, 10);
  Ask(1);
  EXPECT_THAT(Ask(2), SizeIs(8));
  for (int i = 3; i <= 10; ++i) scout_.Wanted(Dir(i).id);
  EXPECT_THAT(Ask(11), IsEmpty());
}

}  // namespace
}  // namespace warmfs::fuse
