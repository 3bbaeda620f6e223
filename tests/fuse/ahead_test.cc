// Listings that come before anybody asks for them, and content of other
// directories: how many messages that saves, and that it is never stale.

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
  // All names, beneath this directory too.
  int Walk(NodeId dir) {
    int entries = 0;
    for (const std::string& name : Names(dir)) {
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
  Names(Find(Dir(1)));
  Names(Find(Dir(2)));
  ASSERT_EQ(Calls(Method::kListMany), 1u);
  for (int i = 3; i < kDirectories; ++i) host_.Write(Dir(i) + "/new", "x");
  TakeIn();
  for (int i = 3; i < kDirectories; ++i) {
    EXPECT_THAT(Names(Find(Dir(i))), Contains("new")) << i;
  }
}

// An event is taken in between the host's look and its answer: what the answer
// tells of a directory that nobody knows yet may be from before the event.
TEST_F(AheadTest, AnAnswerThatCrossesAnEventIsNotBelieved) {
  rpc::Proxy proxy(dir_ / "proxy", host_.endpoint());
  Names(kRootNode);
  Names(Find(Dir(0)));
  const NodeId third = Find(Dir(1));
  HeldQuestion question(
      proxy, host_.RemoteOptionsFor(proxy.endpoint()),
      [&](rpc::Channel& channel) { (void)fs_->CheckListing(channel, third); });
  EXPECT_EQ(question.Calls(Method::kListMany), 1u);
  for (int i = 2; i < kDirectories; ++i) host_.Remove(Dir(i) + "/file");
  TakeIn();
  question.Finish();
  for (int i = 2; i < kDirectories; ++i) {
    EXPECT_THAT(Names(Find(Dir(i))), Not(Contains("file"))) << i;
  }
}

}  // namespace
}  // namespace warmfs::fuse
