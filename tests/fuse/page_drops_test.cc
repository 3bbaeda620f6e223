// In what order pages are dropped, and which READs wait for that.

#include "fuse/page_drops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace warmfs::fuse {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr NodeId kFile = 7;
constexpr uint64_t kPage = PageDrops::kPageBytes;

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

  PageDrops drops_;
};

TEST_F(PageDropsTest, PagesGoFromTheLastToTheFirst) {
  drops_.Want(kFile);
  EXPECT_THAT(Carry(2 * kPage + 1),
              ElementsAre(Pair(3 * kPage, 0), Pair(2 * kPage, kPage),
                          Pair(kPage, kPage), Pair(0, kPage)));
  EXPECT_FALSE(drops_.Pending(kFile));
}

TEST_F(PageDropsTest, AnEmptyFileAndALargeOneGoInOneStep) {
  EXPECT_THAT(Carry(0), ElementsAre(Pair(0, 0)));
  EXPECT_THAT(Carry(PageDrops::kMostPages * kPage + 1),
              ElementsAre(Pair(0, 0)));
  EXPECT_THAT(Carry(UINT64_MAX), ElementsAre(Pair(0, 0)));
}

TEST_F(PageDropsTest, WhoeverReadsWhatIsNotToBeDroppedDoesNotWait) {
  drops_.Want(kFile + 1);
  EXPECT_FALSE(Waits(0));
}

TEST_F(PageDropsTest, AReadWaitsUntilAllBeyondItIsDropped) {
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
  drops_.Want(kFile);
  std::vector<bool> waits;
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

TEST_F(PageDropsTest, NobodyWaitsForEver) {
  drops_.Want(kFile);
  EXPECT_FALSE(drops_.AwaitAbove(kFile, 0));
  EXPECT_TRUE(drops_.Pending(kFile));
}

}  // namespace
}  // namespace warmfs::fuse
