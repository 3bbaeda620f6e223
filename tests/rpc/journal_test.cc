// The journal over a connection: leases, events, fences; a call that waits is
// called off by either end.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <thread>

#include "absl/time/clock.h"
#include "rpc/channel.h"
#include "tests/rpc/host.h"
#include "tests/rpc/proxy.h"

namespace warmfs::rpc {
namespace {

constexpr uint32_t kLongMs = 25'000;

class JournalTest : public testing::Test {
 protected:
  explicit JournalTest(Host::Options options = {}) : host_(options) {
    Connect(host_.endpoint(), absl::Seconds(30));
  }
  void Connect(const std::string& endpoint, absl::Duration wait) {
    channel_.reset();
    RemoteOptions options = host_.RemoteOptionsFor(endpoint);
    options.host_wait = wait;
    auto remote = Remote::Create(options);
    ASSERT_TRUE(remote.ok()) << remote.status();
    remote_ = *std::move(remote);
    channel_ = std::make_unique<Channel>(*remote_);
    ASSERT_TRUE(channel_->Open().ok());
    root_ = {"", remote_->info()->root};
  }
  // As long as nobody waits in it, the count of calls does not rise.
  void AwaitNext() {
    while (remote_->stats().of(Method::kNext).calls == 0) {
      std::this_thread::yield();
    }
  }

  Host host_;
  std::unique_ptr<Remote> remote_;
  std::unique_ptr<Channel> channel_;
  NodeRef root_;
};

TEST_F(JournalTest, ALeaseIsGivenAndEventsFollow) {
  EXPECT_TRUE(remote_->info()->journal);
  const ListReply list = channel_->List({.dir = root_, .lease = true});
  EXPECT_TRUE(list.leased);
  EXPECT_TRUE(
      channel_->Lookup({.dir = root_, .name = "x", .lease = true}).leased);
  host_.Write("f", "hello");
  const Reply fence = channel_->Fence({});
  EXPECT_EQ(fence.error, 0);
  EXPECT_EQ(fence.pos.journal_id, list.pos.journal_id);
  EXPECT_GT(fence.pos.sequence, list.pos.sequence);
  const NextReply next = channel_->Next({.after = list.pos});
  EXPECT_EQ(next.error, 0);
  EXPECT_EQ(next.pos, fence.pos);
  ASSERT_EQ(next.events.size(), 3u);
  EXPECT_EQ(next.events[0].kind, EventKind::kCreated);
  EXPECT_EQ(next.events[0].name, "f");
  EXPECT_EQ(next.events[2].entry.size, 5u);
  EXPECT_EQ(next.watches, 1u);
  EXPECT_EQ(channel_->GetAttr(root_).pos, fence.pos);
}

TEST_F(JournalTest, NextWaitsForAnEvent) {
  const JournalPos pos = channel_->List({.dir = root_, .lease = true}).pos;
  std::thread changer([&] {
    AwaitNext();
    host_.MakeDir("d");
  });
  const NextReply next = channel_->Next({.after = pos, .wait_ms = kLongMs});
  changer.join();
  ASSERT_EQ(next.events.size(), 1u);
  EXPECT_TRUE(next.events[0].directory);
}

TEST_F(JournalTest, WaitingIsNotALatency) {
  const JournalPos pos = channel_->List({.dir = root_, .lease = true}).pos;
  const uint64_t before = remote_->stats().latency.count();
  EXPECT_EQ(channel_->Next({.after = pos, .wait_ms = 20}).error, 0);
  EXPECT_EQ(remote_->stats().latency.count(), before);
  EXPECT_EQ(remote_->stats().of(Method::kNext).latency.count(), 1u);
}

// It takes as long as it was asked to, and is not taken for a dead host.
TEST_F(JournalTest, NextMayWaitForLongerThanHostWait) {
  Connect(host_.endpoint(), absl::Milliseconds(100));
  const JournalPos pos = channel_->List({.dir = root_, .lease = true}).pos;
  const NextReply next = channel_->Next({.after = pos, .wait_ms = 400});
  EXPECT_EQ(next.error, 0);
  EXPECT_EQ(next.pos, pos);
  EXPECT_EQ(remote_->stats().failures, 0u);
}

TEST_F(JournalTest, AnInterruptedCallIsEioAndSoAreLaterOnes) {
  const JournalPos pos = channel_->List({.dir = root_, .lease = true}).pos;
  std::thread stopper([&] {
    AwaitNext();
    channel_->Interrupt();
  });
  const absl::Time start = absl::Now();
  EXPECT_EQ(channel_->Next({.after = pos, .wait_ms = kLongMs}).error, EIO);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  stopper.join();
  EXPECT_EQ(channel_->GetAttr(root_).error, EIO);
  EXPECT_FALSE(channel_->Open().ok());
  EXPECT_EQ(remote_->stats().failures, 0u) << "nothing failed";
}

TEST_F(JournalTest, WaitingForAHostThatIsAwayIsInterruptedToo) {
  host_.Stop();
  std::thread stopper([&] {
    while (remote_->trouble().empty()) std::this_thread::yield();
    channel_->Interrupt();
  });
  const absl::Time start = absl::Now();
  EXPECT_EQ(channel_->Next({.wait_ms = kLongMs}).error, EIO);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  stopper.join();
}

TEST_F(JournalTest, TheHostStopsWhileAClientWaits) {
  const JournalPos pos = channel_->List({.dir = root_, .lease = true}).pos;
  Connect(host_.endpoint(), absl::Milliseconds(100));
  std::thread waiter([&] {
    Channel channel(*remote_);
    channel.Next({.after = pos, .wait_ms = 2000});
  });
  AwaitNext();
  const absl::Time start = absl::Now();
  host_.Stop();
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  waiter.join();
}

TEST_F(JournalTest, ARestartedHostHasAnotherJournal) {
  const JournalPos pos = channel_->List({.dir = root_, .lease = true}).pos;
  host_.Stop();
  host_.Start();
  const NextReply next = channel_->Next({.after = pos});
  EXPECT_TRUE(next.new_epoch);
  EXPECT_NE(next.pos.journal_id, pos.journal_id);
}

class UnwatchedTest : public JournalTest {
 protected:
  UnwatchedTest() : JournalTest({.watch = false}) {}
};

TEST_F(UnwatchedTest, AHostWithoutAJournalSaysSo) {
  EXPECT_FALSE(remote_->info()->journal);
  const ListReply list = channel_->List({.dir = root_, .lease = true});
  EXPECT_EQ(list.error, 0);
  EXPECT_FALSE(list.leased);
  EXPECT_EQ(channel_->Next({.after = list.pos}).error, EOPNOTSUPP);
  EXPECT_EQ(channel_->Fence({}).error, EOPNOTSUPP);
}

}  // namespace
}  // namespace warmfs::rpc
