// Invalidations leave on a thread of their own: each node once, and none after
// the end.

#include "fuse/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace warmfs::fuse {
namespace {

// Stands where the kernel stands, and can be as slow as it.
class Kernel {
 public:
  void Pages(NodeId node) {
    absl::MutexLock lock(&mu_);
    pages_.push_back(node);
    busy_ = true;
    mu_.Await(absl::Condition(&go_on_));
    busy_ = false;
  }
  void Entry(NodeId dir, const std::string& name) {
    absl::MutexLock lock(&mu_);
    entries_.emplace_back(dir, name);
  }
  void Attr(NodeId node) {
    absl::MutexLock lock(&mu_);
    attrs_.push_back(node);
  }
  std::vector<NodeId> attrs() {
    absl::MutexLock lock(&mu_);
    return attrs_;
  }
  void Block() {
    absl::MutexLock lock(&mu_);
    go_on_ = false;
  }
  void Unblock() {
    absl::MutexLock lock(&mu_);
    go_on_ = true;
  }
  void AwaitBusy() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&busy_));
  }
  void AwaitPages(size_t count) {
    absl::MutexLock lock(&mu_);
    const auto enough = [&] { return pages_.size() >= count; };
    mu_.Await(absl::Condition(&enough));
  }
  void AwaitEntries(size_t count) {
    absl::MutexLock lock(&mu_);
    const auto enough = [&] { return entries_.size() >= count; };
    mu_.Await(absl::Condition(&enough));
  }
  std::vector<NodeId> pages() {
    absl::MutexLock lock(&mu_);
    return pages_;
  }
  std::vector<std::pair<NodeId, std::string>> entries() {
    absl::MutexLock lock(&mu_);
    return entries_;
  }

 private:
  absl::Mutex mu_;
  bool go_on_ ABSL_GUARDED_BY(mu_) = true;
  bool busy_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<NodeId> pages_ ABSL_GUARDED_BY(mu_);
  std::vector<NodeId> attrs_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<NodeId, std::string>> entries_ ABSL_GUARDED_BY(mu_);
};

class NotifierTest : public testing::Test {
 protected:
  void Start() {
    notifier_ = std::make_unique<Notifier>(Notifier::Kernel{
        .pages = [this](NodeId node) { kernel_.Pages(node); },
        .attr = [this](NodeId node) { kernel_.Attr(node); },
        .entry = [this](
                     NodeId dir,
                     const std::string& name) { kernel_.Entry(dir, name); }});
  }
  // The notifier's thread is within the kernel, for node 1.
  void StartBlocked() {
    kernel_.Block();
    Start();
    notifier_->Pages(1);
    kernel_.AwaitBusy();
  }

  Kernel kernel_;
  std::unique_ptr<Notifier> notifier_;
};

TEST_F(NotifierTest, BothKindsArrive) {
  Start();
  notifier_->Pages(7);
  notifier_->Entry(1, "name");
  kernel_.AwaitPages(1);
  kernel_.AwaitEntries(1);
  EXPECT_EQ(kernel_.pages(), std::vector<NodeId>{7});
  EXPECT_EQ(kernel_.entries().at(0),
            std::make_pair(NodeId{1}, std::string("name")));
  EXPECT_EQ(notifier_->sent(), 2u);
}

TEST_F(NotifierTest, WhatIsQueuedAlreadyIsNotQueuedAgain) {
  StartBlocked();
  for (int i = 0; i < 100; ++i) {
    notifier_->Pages(2);
    notifier_->Pages(3);
    notifier_->Entry(1, "n");
  }
  kernel_.Unblock();
  kernel_.AwaitPages(3);
  kernel_.AwaitEntries(1);
  notifier_->Pages(4);
  kernel_.AwaitPages(4);
  EXPECT_THAT(kernel_.pages(), testing::UnorderedElementsAre(1, 2, 3, 4));
  EXPECT_EQ(kernel_.entries().size(), 1u);
  EXPECT_EQ(notifier_->sent(), 5u);
}

// It is being sent, but has not arrived: the pages may have been filled since.
TEST_F(NotifierTest, WhatIsBeingSentIsQueuedAgain) {
  StartBlocked();
  notifier_->Pages(1);
  kernel_.Unblock();
  kernel_.AwaitPages(2);
  EXPECT_EQ(kernel_.pages(), (std::vector<NodeId>{1, 1}));
}

TEST_F(NotifierTest, NodeZeroIsNobody) {
  Start();
  notifier_->Pages(0);
  notifier_->Pages(5);
  kernel_.AwaitPages(1);
  EXPECT_EQ(kernel_.pages(), std::vector<NodeId>{5});
}

TEST_F(NotifierTest, WhatIsQueuedAtTheEndIsDropped) {
  StartBlocked();
  notifier_->Pages(2);
  notifier_->Entry(1, "n");
  // The destructor waits for the one that is being sent, and for no other.
  std::thread end([&] { notifier_.reset(); });
  kernel_.Unblock();
  end.join();
  const auto sent = kernel_.pages();
  // Which of the two came first, the end or the kernel, is open; that nothing
  // is sent afterwards is not.
  EXPECT_LE(sent.size(), 2u);
  EXPECT_EQ(sent[0], 1u);
}

TEST_F(NotifierTest, AnIdleOneEnds) {
  Start();
  notifier_.reset();
  EXPECT_TRUE(kernel_.pages().empty());
}

// Under a lease the kernel would keep what it is not told to drop.
TEST_F(NotifierTest, NothingThatIsQueuedIsLost) {
  StartBlocked();
  constexpr size_t kMany = 2 * Notifier::kRoom;
  for (size_t i = 0; i < kMany; ++i) notifier_->Entry(1, std::to_string(i));
  EXPECT_EQ(notifier_->queued(), kMany);
  kernel_.Unblock();
  kernel_.AwaitEntries(kMany);
}

TEST_F(NotifierTest, WhoProducesManyWaitsForRoom) {
  StartBlocked();
  for (size_t i = 0; i < Notifier::kRoom; ++i) {
    notifier_->Entry(1, std::to_string(i));
  }
  absl::Notification passed;
  std::thread producer([&] {
    notifier_->AwaitRoom();
    passed.Notify();
  });
  EXPECT_FALSE(passed.HasBeenNotified());
  kernel_.Unblock();
  producer.join();
  EXPECT_TRUE(passed.HasBeenNotified());
  EXPECT_LT(notifier_->queued(), Notifier::kRoom);
}

TEST_F(NotifierTest, WhatComesAfterComesAfterAllThatWasQueued) {
  StartBlocked();
  notifier_->Entry(1, "a");
  notifier_->Pages(2);
  notifier_->Attr(3);
  size_t pages = 0, attrs = 0, entries = 0;
  absl::Notification after;
  notifier_->After([&] {
    pages = kernel_.pages().size();
    attrs = kernel_.attrs().size();
    entries = kernel_.entries().size();
    after.Notify();
  });
  kernel_.Unblock();
  after.WaitForNotification();
  EXPECT_EQ(pages, 2u);  // the first one is the blocker's
  EXPECT_EQ(attrs, 1u);
  EXPECT_EQ(entries, 1u);
}

TEST_F(NotifierTest, AttributesGoWithThePages) {
  StartBlocked();
  notifier_->Pages(2);
  notifier_->Attr(2);
  notifier_->Attr(3);
  absl::Notification after;
  notifier_->After([&] { after.Notify(); });
  kernel_.Unblock();
  after.WaitForNotification();
  EXPECT_EQ(kernel_.attrs(), std::vector<NodeId>{3});
}

// Queuing never waits for the kernel: a worker that does would be a deadlock.
TEST_F(NotifierTest, QueuingDoesNotWaitForTheKernel) {
  StartBlocked();
  std::vector<std::thread> workers;
  for (int t = 0; t < 4; ++t) {
    workers.emplace_back([&, t] {
      for (NodeId n = 1; n <= 500; ++n) notifier_->Pages(t * 500 + n);
    });
  }
  for (std::thread& w : workers) w.join();
  kernel_.Unblock();
  kernel_.AwaitPages(2'001);
  EXPECT_EQ(notifier_->sent(), 2'001u);
}

}  // namespace
}  // namespace warmfs::fuse
