// In what order pages are dropped, and which READs wait for that.

#include "fuse/page_drops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace warmfs::fuse {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr NodeId kFile = 7;
constexpr uint64_t kPage = PageDrops::kPageBytes;
constexpr uint64_t kChunk = PageDrops::kChunkPages * kPage;

class PageDropsTest : public testing::Test {
 protected:
  std::vector<std::pair<uint64_t, uint64_t>> Carry(uint64_t bytes) {
    std::vector<std::pair<uint64_t, uint64_t>> calls;
    drops_.Carry(kFile, bytes, [&](uint64_t offset, uint64_t length) {
      calls.emplace_back(offset, length);
    });
    return calls;
  }
  bool Waits(uint64_t page) const {
    return !drops_.AwaitAbove(kFile, page, absl::ZeroDuration());
  }

  int overtakings_ = 0;
  uint64_t overtaken_from_ = 0;
  PageDrops drops_{[this](NodeId node, uint64_t page) {
    EXPECT_EQ(node, kFile);
    ++overtakings_;
    overtaken_from_ = page;
  }};
};

TEST_F(PageDropsTest, PagesGoFromTheLastToTheFirst) {
  drops_.Want(kFile);
  drops_.MayHave(kFile, 0, 1);
  EXPECT_THAT(Carry(2 * kPage + 1),
              ElementsAre(Pair(3 * kPage, 0), Pair(2 * kPage, kPage),
                          Pair(kPage, kPage), Pair(0, kPage)));
  EXPECT_FALSE(drops_.Pending(kFile));
}

TEST_F(PageDropsTest, AnEmptyFileGoesInOneStepAndOneThatWasNotRead) {
  EXPECT_THAT(Carry(kPage), ElementsAre(Pair(0, 0)));
  drops_.MayHave(kFile, 0, 0);
  EXPECT_THAT(Carry(kPage), ElementsAre(Pair(0, 0)));
  drops_.MayHave(kFile, 0, 1);
  EXPECT_THAT(Carry(0), ElementsAre(Pair(0, 0)));
}

TEST_F(PageDropsTest, OfALargeFileWhatTheKernelMayHaveGoesPageByPage) {
  drops_.MayHave(kFile, 9 * kChunk + kPage, kPage);
  drops_.MayHave(kFile, 4 * kChunk - 1, 2);  // chunks 3 and 4
  drops_.MayHave(kFile, 20 * kChunk, 0);     // nothing
  drops_.MayHave(kFile, 0, kChunk);
  const auto calls = Carry(100 * kChunk);
  std::vector<std::pair<uint64_t, uint64_t>> stretches;
  uint64_t expected_end = 10 * kChunk;
  for (const auto& [offset, length] : calls) {
    if (length == 0) {
      EXPECT_EQ(offset, expected_end);
      continue;
    }
    EXPECT_EQ(offset + length, expected_end);
    expected_end = offset;
    if (length != kPage) stretches.emplace_back(offset, length);
  }
  EXPECT_EQ(expected_end, 0);
  EXPECT_THAT(stretches, ElementsAre(Pair(5 * kChunk, 4 * kChunk),
                                     Pair(kChunk, 2 * kChunk)));
  EXPECT_EQ(calls.size(), 1 + 4 * PageDrops::kChunkPages + 2);
}

TEST_F(PageDropsTest, WhatWasDroppedIsNotKnownToBeThereAnyMore) {
  drops_.MayHave(kFile, 3 * kChunk, kChunk);
  EXPECT_GT(Carry(4 * kChunk).size(), 1u);
  EXPECT_EQ(Carry(4 * kChunk).size(), 1u);
  drops_.MayHave(kFile, 3 * kChunk, kChunk);
  drops_.Forget(kFile);
  EXPECT_EQ(Carry(4 * kChunk).size(), 1u);
}

// It has become shorter since: nobody sees more of it.
TEST_F(PageDropsTest, WhatIsBeyondTheEndGoesAtOnce) {
  drops_.MayHave(kFile, 0, 5 * kChunk);
  EXPECT_THAT(Carry(1), ElementsAre(Pair(kPage, 0), Pair(0, kPage)));
}

// It is between what the kernel may have, so nothing old is beyond it.
TEST_F(PageDropsTest, AReadThatBeginsAfterwardsDoesNotHoldUpItsStretch) {
  drops_.Want(kFile);
  drops_.MayHave(kFile, 9 * kChunk, 1);
  std::vector<bool> waits;
  drops_.Carry(kFile, 10 * kChunk, [&](uint64_t offset, uint64_t length) {
    if (length == kPage) return;
    waits.push_back(Waits(offset / kPage));
  });
  EXPECT_THAT(waits, ElementsAre(false, false));
  EXPECT_FALSE(drops_.Pending(kFile));
}

TEST_F(PageDropsTest, WhatIsTooMuchGoesInOneStep) {
  drops_.MayHave(kFile, 0, PageDrops::kMostChunks * kChunk);
  EXPECT_GT(Carry(kChunk).size(), 1u);
  drops_.MayHave(kFile, 0, UINT64_MAX / 2);
  drops_.MayHave(kFile, 0, kPage);
  EXPECT_THAT(Carry(kChunk), ElementsAre(Pair(0, 0)));
  drops_.MayHave(kFile, 0, kPage);
  EXPECT_GT(Carry(kChunk).size(), 1u);
}

TEST_F(PageDropsTest, TheEndMayBeThereOnceItWasReadUntilItIsDropped) {
  drops_.MayHave(kFile, kChunk, kChunk);
  EXPECT_TRUE(drops_.MayHaveEnd(kFile, 2 * kChunk));
  EXPECT_TRUE(drops_.MayHaveEnd(kFile, kChunk + 1));
  EXPECT_FALSE(drops_.MayHaveEnd(kFile, kChunk)) << "it was not read";
  EXPECT_FALSE(drops_.MayHaveEnd(kFile, 0)) << "there is no such page";
  drops_.MayHave(kFile, 0, UINT64_MAX / 2);
  EXPECT_TRUE(drops_.MayHaveEnd(kFile, kChunk));
  drops_.Want(kFile);
  bool after = false;
  drops_.Carry(
      kFile, kChunk, [](uint64_t, uint64_t) {},
      [&] {
        EXPECT_TRUE(drops_.Pending(kFile)) << "this is part of it";
        EXPECT_TRUE(drops_.MayHaveEnd(kFile, kChunk));
        after = true;
      });
  EXPECT_TRUE(after);
  EXPECT_FALSE(drops_.MayHaveEnd(kFile, kChunk));
}

TEST_F(PageDropsTest, WhatComesAfterADropIsPartOfIt) {
  EXPECT_TRUE(drops_.AwaitDone(kFile, absl::ZeroDuration()));
  drops_.Want(kFile);
  EXPECT_FALSE(drops_.AwaitDone(kFile, absl::ZeroDuration()));
  bool dropped = false, then = false;
  drops_.Carry(
      kFile, kPage, [&](uint64_t, uint64_t) { dropped = true; },
      [&] {
        EXPECT_TRUE(dropped);
        EXPECT_TRUE(drops_.Pending(kFile));
        EXPECT_FALSE(drops_.AwaitDone(kFile, absl::ZeroDuration()));
        drops_.Want(kFile);  // of something newer
        then = true;
      });
  EXPECT_TRUE(then);
  EXPECT_TRUE(drops_.Pending(kFile));
  std::thread waiter(
      [&] { EXPECT_TRUE(drops_.AwaitDone(kFile, absl::InfiniteDuration())); });
  Carry(kPage);
  waiter.join();
}

TEST_F(PageDropsTest, WhoeverReadsWhatIsNotToBeDroppedDoesNotWait) {
  drops_.Want(kFile + 1);
  EXPECT_FALSE(Waits(0));
}

TEST_F(PageDropsTest, AReadWaitsUntilAllBeyondItIsDropped) {
  drops_.MayHave(kFile, 0, kChunk);
  drops_.Want(kFile);
  EXPECT_TRUE(Waits(1)) << "it has not begun";
  std::vector<bool> waits;
  drops_.Carry(kFile, 3 * kPage,
               [&](uint64_t, uint64_t) { waits.push_back(Waits(1)); });
  EXPECT_THAT(waits, ElementsAre(true, true, false, false))
      << "pages 2 and beyond, 2, 1, 0";
  EXPECT_FALSE(Waits(1));
}

// It holds the lock of its pages, for which the drop waits.
TEST_F(PageDropsTest, AReadOfTheLastPageDoesNotHoldUpItsOwnDrop) {
  drops_.MayHave(kFile, 0, kChunk);
  drops_.Want(kFile);
  drops_.Carry(kFile, kPage, [&](uint64_t offset, uint64_t) {
    if (offset != 0) return;
    absl::Notification answered;
    std::thread read([&] {
      drops_.AwaitAbove(kFile, 0, absl::InfiniteDuration());
      answered.Notify();
    });
    answered.WaitForNotification();
    read.join();
  });
}

// What is wanted while a drop is under way may be of pages that it has passed.
TEST_F(PageDropsTest, ALaterDropIsWaitedForToo) {
  drops_.MayHave(kFile, 0, kChunk);
  drops_.Want(kFile);
  drops_.Carry(kFile, kPage, [&](uint64_t offset, uint64_t) {
    if (offset != 0) return;
    EXPECT_FALSE(Waits(0));
    drops_.Want(kFile);
    EXPECT_TRUE(Waits(0));
  });
  EXPECT_TRUE(drops_.Pending(kFile));
  EXPECT_TRUE(Waits(0));
  Carry(kPage);
  EXPECT_FALSE(drops_.Pending(kFile));
  EXPECT_FALSE(Waits(0));
}

// The drop waits for the READ's page, and the READ for the next drop.
TEST_F(PageDropsTest, AReadInTheWayOfADropIsLetGoByOneBesideIt) {
  drops_.MayHave(kFile, 0, kChunk);
  drops_.Want(kFile);
  drops_.Carry(kFile, 2 * kPage, [&](uint64_t offset, uint64_t) {
    if (offset != kPage) return;
    drops_.Want(kFile);
    EXPECT_EQ(overtakings_, 0);
    EXPECT_TRUE(Waits(1));
    EXPECT_EQ(overtakings_, 1);
    std::vector<bool> waits;
    drops_.Carry(kFile, 2 * kPage, [&](uint64_t from, uint64_t) {
      waits.push_back(Waits(0));
      if (from == kPage) {
        EXPECT_FALSE(Waits(1));
      }
    });
    EXPECT_THAT(waits, ElementsAre(true, true, false))
        << "pages 2 and beyond, 1, 0";
    EXPECT_EQ(overtakings_, 1) << "it is under way";
    EXPECT_FALSE(drops_.Pending(kFile)) << "the first is not waited for";
  });
  EXPECT_FALSE(drops_.Pending(kFile));
  drops_.Want(kFile);
  EXPECT_TRUE(Waits(0));
  EXPECT_EQ(overtakings_, 1) << "none is under way";
}

// It has been wanted twice, and the first did for both.
TEST_F(PageDropsTest, ADropThatNobodyWantedAnyMoreMayBeInTheWayToo) {
  drops_.MayHave(kFile, 0, kChunk);
  drops_.Carry(kFile, kPage, [&](uint64_t offset, uint64_t) {
    if (offset != 0) return;
    drops_.Want(kFile);
    EXPECT_TRUE(Waits(0));
    EXPECT_EQ(overtakings_, 1);
  });
  EXPECT_TRUE(drops_.Pending(kFile));
}

// Both find the same pages: neither has dropped them all.
TEST_F(PageDropsTest, WhatTheKernelMayHaveIsKnownUntilADropHasEnded) {
  drops_.MayHave(kFile, 3 * kChunk, kChunk);
  constexpr size_t kCalls = 1 + PageDrops::kChunkPages + 1;
  size_t first = 0, beside = 0;
  drops_.Carry(kFile, 4 * kChunk, [&](uint64_t, uint64_t) {
    if (++first == 1) beside = Carry(4 * kChunk).size();
  });
  EXPECT_EQ(first, kCalls);
  EXPECT_EQ(beside, kCalls);
  EXPECT_EQ(Carry(4 * kChunk).size(), 1u);
}

TEST_F(PageDropsTest, WhatIsReadDuringADropIsForTheNext) {
  drops_.Carry(kFile, 4 * kChunk, [&](uint64_t offset, uint64_t) {
    if (offset == 0) drops_.MayHave(kFile, 3 * kChunk, kChunk);
  });
  EXPECT_GT(Carry(4 * kChunk).size(), 1u);
}

// The drop stands at a page of which a READ is under way, and what is beyond it
// is old.
TEST_F(PageDropsTest, BesideADropInOneStepAReadHasWhatIsBeyondItDropped) {
  drops_.MayHave(kFile, 0, UINT64_MAX / 2);
  drops_.Want(kFile);
  EXPECT_TRUE(Waits(3)) << "it has not begun";
  EXPECT_EQ(overtaken_from_, 4);
  drops_.Carry(kFile, 10 * kPage, [&](uint64_t, uint64_t) {
    EXPECT_TRUE(Waits(5));
    EXPECT_EQ(overtaken_from_, 6);
    std::vector<std::pair<uint64_t, uint64_t>> calls;
    drops_.CarryFrom(kFile, 6, [&](uint64_t from, uint64_t length) {
      calls.emplace_back(from, length);
      EXPECT_TRUE(Waits(5)) << "it is not done";
    });
    EXPECT_THAT(calls, ElementsAre(Pair(6 * kPage, 0)));
    EXPECT_FALSE(Waits(5));
    EXPECT_FALSE(Waits(7)) << "less was needed";
    EXPECT_TRUE(Waits(4)) << "page 5 may be old";
    drops_.Want(kFile);
    EXPECT_TRUE(Waits(5)) << "it was for what was wanted before";
  });
  EXPECT_TRUE(Waits(5));
  drops_.CarryFrom(kFile, 6, [](uint64_t, uint64_t) {});
  EXPECT_FALSE(Waits(5));
  EXPECT_TRUE(drops_.Pending(kFile)) << "the rest is still to go";
  Carry(0);
  EXPECT_FALSE(drops_.Pending(kFile));
}

TEST_F(PageDropsTest, WhatIsOvertakenWithoutNeedLeavesNothingBehind) {
  drops_.CarryFrom(kFile, 6, [](uint64_t, uint64_t) {});
  EXPECT_FALSE(drops_.Pending(kFile));
  EXPECT_TRUE(drops_.BeginBelieved(kFile));
  drops_.EndAnswer(kFile);
}

// Its answer is older than what is wanted then; the drop finds it.
TEST_F(PageDropsTest, AReadDoesNotWaitForWhatIsWantedAfterItBeganToWait) {
  drops_.Want(kFile);
  absl::Notification waiting, answered;
  std::thread read([&] {
    waiting.Notify();
    drops_.AwaitAbove(kFile, 0, absl::InfiniteDuration());
    answered.Notify();
  });
  waiting.WaitForNotification();
  while (!answered.HasBeenNotified()) {
    Carry(kPage);
    drops_.Want(kFile);
  }
  read.join();
  EXPECT_TRUE(drops_.Pending(kFile));
}

// The kernel would not believe it.
TEST_F(PageDropsTest, NoEndIsToldWhileADropIsWantedOrUnderWay) {
  drops_.Carry(kFile, kPage, [&](uint64_t, uint64_t) {
    EXPECT_FALSE(drops_.BeginBelieved(kFile)) << "one that nobody wanted";
  });
  drops_.Want(kFile);
  EXPECT_FALSE(drops_.BeginBelieved(kFile));
  Carry(kPage);
  EXPECT_TRUE(drops_.BeginBelieved(kFile));
  drops_.EndAnswer(kFile);
}

TEST_F(PageDropsTest, ADropWaitsForAnEndThatIsBeingTold) {
  ASSERT_TRUE(drops_.BeginBelieved(kFile));
  ASSERT_TRUE(drops_.BeginBelieved(kFile)) << "of another page";
  std::atomic<bool> told = false;
  std::thread drop([&] {
    drops_.Carry(kFile, kPage, [&](uint64_t, uint64_t) { EXPECT_TRUE(told); });
  });
  drops_.EndAnswer(kFile);
  told = true;
  drops_.EndAnswer(kFile);
  drop.join();
  drops_.Want(kFile);
  EXPECT_TRUE(drops_.Pending(kFile));
}

// It may wait for pages that READs have locked, and these for the drop.
TEST_F(PageDropsTest, ADropDoesNotWaitForACallButWhoMakesAFileLongerDoes) {
  drops_.Want(kFile);
  drops_.BeginCall(kFile);
  bool dropped = false;
  std::atomic<bool> ended = false;
  std::thread call;
  drops_.Carry(
      kFile, kPage, [&](uint64_t, uint64_t) { dropped = true; },
      [&] {
        call = std::thread([&] {
          ended = true;
          drops_.EndCall(kFile);
        });
        drops_.AwaitAnswers(kFile);
        EXPECT_TRUE(ended);
      });
  EXPECT_TRUE(dropped);
  call.join();
  EXPECT_TRUE(drops_.Idle(kFile));
}

// Its page may come after those beyond it have been dropped (growth.h).
TEST_F(PageDropsTest, ADropUnderWayCanWaitForAnswersThatBeganMeanwhile) {
  std::atomic<bool> ended = false;
  std::thread read;
  drops_.Carry(
      kFile, kPage,
      [&](uint64_t, uint64_t) {
        if (read.joinable()) return;
        drops_.BeginAnswer(kFile);
        read = std::thread([&] {
          absl::SleepFor(absl::Milliseconds(20));
          ended = true;
          drops_.EndAnswer(kFile);
        });
      },
      [&] {
        drops_.AwaitAnswers(kFile);
        EXPECT_TRUE(ended);
        EXPECT_FALSE(drops_.Idle(kFile));
      });
  read.join();
  EXPECT_TRUE(drops_.Idle(kFile));
}

TEST_F(PageDropsTest, NobodyWaitsForEver) {
  drops_.Want(kFile);
  EXPECT_FALSE(drops_.AwaitAbove(kFile, 0));
  EXPECT_TRUE(drops_.Pending(kFile));
}

}  // namespace
}  // namespace warmfs::fuse
