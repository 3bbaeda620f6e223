// Drops that are held up hold up no other.

#include "fuse/overtaker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"

namespace warmfs::fuse {
namespace {

TEST(OvertakerTest, DropsGoOnBesideThoseThatAreHeldUp) {
  absl::BlockingCounter begun(Overtaker::kMost);
  absl::Notification go_on;
  absl::Mutex mu;
  std::multiset<NodeId> dropped;
  {
    Overtaker overtaker([&](NodeId node, uint64_t page) {
      EXPECT_EQ(page, 10 * node);
      begun.DecrementCount();
      go_on.WaitForNotification();
      absl::MutexLock lock(&mu);
      dropped.insert(node);
    });
    for (NodeId node = 1; node <= Overtaker::kMost; ++node) {
      overtaker.Drop(node, 10 * node);
    }
    begun.Wait();  // all of them
    go_on.Notify();
  }
  EXPECT_EQ(dropped.size(), Overtaker::kMost);
  EXPECT_EQ(std::set<NodeId>(dropped.begin(), dropped.end()).size(),
            Overtaker::kMost);
}

TEST(OvertakerTest, WhatIsMoreThanItsThreadsWaitsForOneOfThem) {
  constexpr size_t kDrops = 3 * Overtaker::kMost;
  absl::BlockingCounter done(kDrops);
  absl::Notification go_on;
  absl::Mutex mu;
  std::set<std::thread::id> threads;
  Overtaker overtaker([&](NodeId, uint64_t) {
    go_on.WaitForNotification();
    {
      absl::MutexLock lock(&mu);
      threads.insert(std::this_thread::get_id());
    }
    done.DecrementCount();
  });
  for (size_t i = 0; i < kDrops; ++i) overtaker.Drop(7, 0);
  go_on.Notify();
  done.Wait();
  EXPECT_LE(threads.size(), Overtaker::kMost);
}

TEST(OvertakerTest, NothingWaitsWhenItIsNotAskedForAnything) {
  Overtaker overtaker([](NodeId, uint64_t) { FAIL(); });
}

}  // namespace
}  // namespace warmfs::fuse
