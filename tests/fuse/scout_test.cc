// Which directories are listed before anybody asks for them.

#include "fuse/scout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cache/cache.h"

namespace warmfs::fuse {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class ScoutTest : public testing::Test {
 protected:
  // The i-th that readdir gives.
  static NodeRef Dir(size_t i) {
    static const std::vector<std::string> names = [] {
      std::vector<std::string> names;
      for (int n = 0; n < 3000; ++n) names.push_back(std::to_string(n));
      std::ranges::sort(names, {}, cache::NameCookie);
      return names;
    }();
    return {names[i], {1, i}};
  }
  static NodeRef Sub(size_t i, size_t j) {
    return {Dir(i).path + "/" + Dir(j).path, {2 + i, j}};
  }
  // The host tells of them in any order.
  static DirEntry EntryOf(const NodeRef& ref) {
    return {ref.path.substr(ref.path.rfind('/') + 1),
            {.id = ref.id, .mode = S_IFDIR},
            ""};
  }
  // There are these in the root.
  void Tell(size_t first, size_t last) {
    std::vector<DirEntry> entries;
    for (size_t i = last + 1; i-- > first;) entries.push_back(EntryOf(Dir(i)));
    entries.push_back({"file", {.id = {9, 9}, .mode = S_IFREG}, ""});
    scout_.Listed({"", {0, 0}}, entries);
  }
  void TellOfSub(size_t i, size_t many) {
    std::vector<DirEntry> entries;
    for (size_t j = 0; j < many; ++j) entries.push_back(EntryOf(Sub(i, j)));
    scout_.Listed(Dir(i), entries);
  }
  // All that is taken comes.
  std::vector<NodeRef> Take() {
    const std::vector<NodeRef> ahead = scout_.Take();
    for (const NodeRef& ref : ahead) scout_.Came(ref.id);
    return ahead;
  }
  // What is taken first of so many that a walker comes to, and has not come.
  std::vector<NodeRef> TakeOf(size_t last) {
    Ask(0);
    Tell(1, last);
    Ask(1);
    scout_.Unforeseen(Dir(2).id, now_);
    return scout_.Take();
  }
  // What is taken when somebody asks for this one.
  std::vector<NodeRef> Ask(const NodeRef& dir) {
    scout_.Unforeseen(dir.id, now_ += 1000);
    return Take();
  }
  std::vector<NodeRef> Ask(size_t i) { return Ask(Dir(i)); }
  void Want(const std::vector<NodeRef>& dirs, size_t most = SIZE_MAX) {
    for (size_t i = 0; i < std::min(most, dirs.size()); ++i) {
      scout_.Wanted(dirs[i].id, now_);
    }
  }

  int called_ = 0;
  Scout scout_{[this] { ++called_; }};
  Instant now_ = Scout::kWithin;
};

TEST_F(ScoutTest, OneOrTwoListingsAreNoWalk) {
  EXPECT_THAT(Ask(0), IsEmpty());
  Tell(1, 20);
  EXPECT_THAT(Ask(1), IsEmpty());
  EXPECT_EQ(called_, 0);
}

TEST_F(ScoutTest, FromTheThirdOnThoseThatAreKnownAreListed) {
  EXPECT_THAT(Ask(0), IsEmpty());
  Tell(1, 100);
  EXPECT_THAT(Ask(1), IsEmpty());
  const std::vector<NodeRef> ahead = Ask(2);
  EXPECT_EQ(called_, 1);
  EXPECT_THAT(ahead, SizeIs(8));
  EXPECT_EQ(ahead[0].path, Dir(3).path);
  EXPECT_EQ(ahead[7].path, Dir(10).path);
}

TEST_F(ScoutTest, WhoBeginsWithTheLastGoesBackward) {
  EXPECT_THAT(Ask(0), IsEmpty());
  Tell(1, 100);
  EXPECT_THAT(Ask(100), IsEmpty());
  EXPECT_EQ(Ask(99).at(0).path, Dir(98).path);
}

TEST_F(ScoutTest, MoreAreTakenWhenHalfAreWantedAndTwiceAsManyWhenAllAre) {
  Ask(0);
  Tell(1, 2000);
  Ask(1);
  std::vector<NodeRef> ahead = Ask(2);
  for (const size_t most : {8, 16, 32, 64, 128, 128}) {
    ASSERT_THAT(ahead, SizeIs(most));
    Want(ahead, most / 2 - 1);
    EXPECT_THAT(Take(), IsEmpty());
    Want(ahead, most / 2);
    std::vector<NodeRef> more = Take();
    EXPECT_THAT(more, SizeIs(most / 2));
    Want(ahead);
    // So many were wanted: twice as many are worth it.
    const std::vector<NodeRef> next = Take();
    EXPECT_THAT(next, SizeIs(std::min(2 * most, Scout::kMostAhead) - most / 2));
    ahead = std::move(more);
    ahead.insert(ahead.end(), next.begin(), next.end());
  }
}

TEST_F(ScoutTest, IsCalledForWorkWhenThereIsSome) {
  Ask(0);
  Ask(1);
  Ask(2);
  EXPECT_EQ(called_, 0) << "nothing is known";
  Tell(3, 100);
  EXPECT_EQ(called_, 1);
  const std::vector<NodeRef> ahead = Take();
  Want(ahead, 3);
  EXPECT_EQ(called_, 1);
  Want(ahead, 4);
  EXPECT_EQ(called_, 2);
}

TEST_F(ScoutTest, WhoListsSomethingElseEndsIt) {
  Ask(0);
  Tell(1, 100);
  Ask(1);
  Want(Ask(2), 3);
  EXPECT_THAT(Ask(500), IsEmpty());
  EXPECT_THAT(Ask(501), IsEmpty());
  EXPECT_THAT(Ask(502), SizeIs(8)) << "it begins anew";
}

TEST_F(ScoutTest, WhoIsFasterThanTheListingsAheadGoesOn) {
  Ask(0);
  Tell(1, 100);
  Ask(1);
  scout_.Unforeseen(Dir(2).id, now_);
  EXPECT_THAT(scout_.Take(), SizeIs(8));
  scout_.Unforeseen(Dir(11).id, now_);
  EXPECT_THAT(scout_.Take(), IsEmpty()) << "these eight have not come yet";
  for (size_t i = 3; i <= 10; ++i) {
    scout_.Came(Dir(i).id);
    scout_.Wanted(Dir(i).id, now_);
  }
  EXPECT_THAT(Take(), SizeIs(16));
}

TEST_F(ScoutTest, ListingsThatAreFarApartAreNoWalk) {
  Ask(0);
  Tell(1, 100);
  for (size_t i = 1; i < 10; ++i) {
    now_ += Scout::kWithin;
    EXPECT_THAT(Ask(i), IsEmpty());
  }
}

TEST_F(ScoutTest, ASlowWalkThatWasForeseenIsStillAWalk) {
  Ask(0);
  Tell(1, 100);
  Ask(1);
  for (const NodeRef& dir : Ask(2)) {
    now_ += Scout::kWithin / 2;
    scout_.Wanted(dir.id, now_);
  }
  EXPECT_THAT(Ask(50), SizeIs(16));
}

TEST_F(ScoutTest, WhatTheHostLeftOffIsTakenAgainAndWhatCameToNothingIsNot) {
  const std::vector<NodeRef> ahead = TakeOf(10);
  ASSERT_THAT(ahead, SizeIs(8));
  scout_.GaveUp(ahead[0].id);
  for (size_t i = 1; i < ahead.size(); ++i) scout_.LeftOff(ahead[i].id);
  EXPECT_THAT(scout_.Take(), SizeIs(7));
}

TEST_F(ScoutTest, WhatCouldNotBeListedEndsIt) {
  const std::vector<NodeRef> ahead = TakeOf(100);
  ASSERT_THAT(ahead, SizeIs(8));
  for (const NodeRef& ref : ahead) scout_.Refused(ref.id);
  EXPECT_THAT(scout_.Take(), IsEmpty());
  EXPECT_THAT(Ask(20), IsEmpty());
  EXPECT_THAT(Ask(21), IsEmpty());
  EXPECT_THAT(Ask(22), SizeIs(8)) << "it begins anew";
}

TEST_F(ScoutTest, WhatIsInADirectoryComesBeforeTheNextOne) {
  Ask(0);
  Tell(1, 20);
  Ask(1);
  TellOfSub(1, 2);
  std::vector<NodeRef> ahead = Ask(Sub(1, 0));
  ASSERT_THAT(ahead, SizeIs(8));
  EXPECT_EQ(ahead[0].path, Sub(1, 1).path);
  EXPECT_EQ(ahead[1].path, Dir(2).path);
  // What was listed ahead tells of more.
  TellOfSub(2, 3);
  Want(ahead, 4);
  ahead = Take();
  ASSERT_THAT(ahead, SizeIs(4));
  EXPECT_EQ(ahead[0].path, Dir(9).path) << "those he has left behind come last";
  Want({Dir(5), Dir(6), Dir(7), Dir(8)});
  EXPECT_EQ(Take().back().path, Sub(2, 0).path);
}

TEST_F(ScoutTest, WhatIsInADirectoryComesBeforeTheNextOneBackward) {
  Ask(0);
  Tell(1, 20);
  Ask(20);
  TellOfSub(20, 3);
  const std::vector<NodeRef> ahead = Ask(Sub(20, 2));
  ASSERT_THAT(ahead, SizeIs(8));
  EXPECT_EQ(ahead[0].path, Sub(20, 1).path);
  EXPECT_EQ(ahead[2].path, Dir(19).path);
  TellOfSub(19, 3);
  Want(ahead, 4);
  EXPECT_EQ(Take().at(0).path, Dir(13).path);
}

TEST_F(ScoutTest, NoneIsTakenTwice) {
  Ask(0);
  Tell(1, 10);
  Ask(1);
  const std::vector<NodeRef> ahead = Ask(2);
  EXPECT_THAT(ahead, SizeIs(8));
  Want(ahead);
  EXPECT_THAT(Ask(11), IsEmpty());
}

}  // namespace
}  // namespace warmfs::fuse
