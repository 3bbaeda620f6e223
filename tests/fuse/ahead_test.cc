// Listings that come before anybody asks for them, and content of other
// directories: how many messages that saves, and that it is never stale.

#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "tests/fuse/lease_fixture.h"

namespace warmfs::fuse {
namespace {

using testing::Contains;
using testing::Not;

class AheadTest : public LeaseTest {
 protected:
  static constexpr int kDirectories = 40;

  AheadTest() {
    Remount(/*list_many=*/true);
    for (int i = 0; i < kDirectories; ++i) {
      host_.MakeDir(Dir(i));
      host_.MakeDir(Dir(i) + "/sub");
      host_.Write(Dir(i) + "/file", "content");
      host_.Write(Dir(i) + "/sub/file", "content");
    }
    TakeIn();
  }
  static std::string Dir(int i) { return "d" + std::to_string(i); }
  uint64_t Listings() const {
    return Calls(Method::kList) + Calls(Method::kListMany);
  }
  void ListAhead(rpc::Channel& host) {
    while (must_list_.exchange(false)) {
      while (fs_->ListAhead(host)) {
      }
    }
  }
  // All names, beneath this directory too.
  int Walk(NodeId dir) {
    int entries = 0;
    const std::vector<std::string> names = Names(dir);
    ListAhead(*channel_);
    for (const std::string& name : names) {
      const Entry entry = Look(dir, name);
      ++entries;
      if (entry.attr.IsDirectory()) entries += Walk(entry.node);
    }
    return entries;
  }
};

TEST_F(AheadTest, AWalkTakesFarFewerMessagesThanThereAreDirectories) {
  EXPECT_EQ(Walk(kRootNode), 4 * kDirectories);
  EXPECT_LT(Listings(), 2 * kDirectories / 3);
  EXPECT_EQ(Calls(Method::kLookup), 0u);
}

TEST_F(AheadTest, ReadersInOneDirectoryAfterTheOtherAreFollowed) {
  Walk(kRootNode);
  for (int i = 0; i < kDirectories; ++i) {
    EXPECT_EQ(Read(Find(Dir(i) + "/file")), "content");
    EXPECT_EQ(Read(Find(Dir(i) + "/sub/file")), "content");
  }
  EXPECT_LE(Calls(Method::kRead), static_cast<uint64_t>(2 * kDirectories));
}

TEST_F(AheadTest, WhatWasListedAheadHearsOfChanges) {
  const NodeId first = Find(Dir(0));
  Names(kRootNode);
  Names(first);
  EXPECT_FALSE(must_list_);
  Names(Find(Dir(1)));
  ListAhead(*channel_);
  ASSERT_EQ(Calls(Method::kListMany), 1u);
  EXPECT_EQ(fs_->counters().listings_fetched, 3u + 8);
  for (int i = 2; i < kDirectories; ++i) host_.Write(Dir(i) + "/new", "x");
  TakeIn();
  for (int i = 2; i < kDirectories; ++i) {
    EXPECT_THAT(Names(Find(Dir(i))), Contains("new")) << i;
  }
}

// An event is taken in between the host's look and its answer: what the answer
// tells of a directory that nobody knows yet may be from before the event.
TEST_F(AheadTest, AnAnswerThatCrossesAnEventIsNotBelieved) {
  rpc::Proxy proxy(dir_ / "proxy", host_.endpoint());
  Names(kRootNode);
  for (int i = 0; i < 3; ++i) Names(Find(Dir(i)));
  ASSERT_TRUE(must_list_);
  HeldQuestion question(proxy, host_.RemoteOptionsFor(proxy.endpoint()),
                        [&](rpc::Channel& host) { ListAhead(host); });
  EXPECT_EQ(question.Calls(Method::kListMany), 1u);
  for (int i = 3; i < kDirectories; ++i) host_.Remove(Dir(i) + "/file");
  TakeIn();
  question.Finish();
  EXPECT_EQ(question.Calls(Method::kListMany), 1u)
      << "nor is the next one asked for";
  for (int i = 3; i < kDirectories; ++i) {
    EXPECT_THAT(Names(Find(Dir(i))), Not(Contains("file"))) << i;
  }
}

// He waits for the answer that is on its way, and asks for nothing himself.
TEST_F(AheadTest, WhoComesToADirectoryThatIsBeingListedWaitsForIt) {
  rpc::Proxy proxy(dir_ / "proxy", host_.endpoint());
  Names(kRootNode);
  for (int i = 0; i < 3; ++i) Names(Find(Dir(i)));
  std::vector<NodeId> dirs;
  for (int i = 3; i < kDirectories; ++i) dirs.push_back(Find(Dir(i)));
  const uint64_t lists = Listings();
  // The first of the eight is in the last one that was asked for.
  const size_t others = dirs.size() - 7;
  std::atomic<size_t> answered = 0;
  absl::BlockingCounter done(static_cast<int>(others));
  std::vector<std::thread> walkers;
  {
    HeldQuestion question(proxy, host_.RemoteOptionsFor(proxy.endpoint()),
                          [&](rpc::Channel& host) { fs_->ListAhead(host); });
    EXPECT_EQ(question.Calls(Method::kListMany), 1u);
    for (const NodeId dir : dirs) {
      walkers.emplace_back([&, dir] {
        rpc::Channel host(*remote_);
        EXPECT_TRUE(fs_->CheckListing(host, dir).ok());
        if (++answered <= others) done.DecrementCount();
      });
    }
    done.Wait();
    EXPECT_EQ(Listings() - lists, others);
    question.Finish();
  }
  for (std::thread& walker : walkers) walker.join();
  EXPECT_EQ(Listings() - lists, others);
}

}  // namespace
}  // namespace warmfs::fuse
