// Answers that cross changes of our own, and answers that are lost: stepped by
// a proxy in front of the host.

#include <sys/stat.h>

#include <atomic>

#include "tests/fuse/lease_fixture.h"

namespace warmfs::fuse {
namespace {

class CrossingTest : public FileSystemTest {
 protected:
  rpc::Proxy proxy_{dir_ / "proxy", host_.endpoint()};
};

TEST_F(CrossingTest, AListingFromBeforeOurOwnCreateIsDropped) {
  host_.Write("old", "x");
  HeldQuestion question(proxy_, host_.RemoteOptionsFor(proxy_.endpoint()),
                        [&](rpc::Channel& channel) {
                          const auto entry =
                              fs_->Lookup(channel, kRootNode, "new");
                          EXPECT_TRUE(entry.ok() && entry->node != 0)
                              << "the listing without it was applied";
                        });
  // The host has answered already; the answer waits.
  const NodeId made = Create(kRootNode, "new", S_IFREG | 0644);
  question.Finish();
  EXPECT_EQ(question.Calls(Method::kList), 2u) << "asked again";
  EXPECT_EQ(Look(kRootNode, "new").node, made);
  EXPECT_THAT(Names(kRootNode), testing::UnorderedElementsAre("old", "new"));
}

TEST_F(CrossingTest, AListingFromBeforeOurOwnRemovalIsDropped) {
  host_.Write("f", "x");
  host_.Write("g", "x");
  Find("f");
  Expire();
  HeldQuestion question(proxy_, host_.RemoteOptionsFor(proxy_.endpoint()),
                        [&](rpc::Channel& channel) {
                          const auto entry =
                              fs_->Lookup(channel, kRootNode, "f");
                          EXPECT_TRUE(entry.ok() && entry->node == 0);
                        });
  EXPECT_TRUE(fs_->Remove(*channel_, kRootNode, "f", false).ok());
  question.Finish();
  EXPECT_THAT(Names(kRootNode), testing::ElementsAre("g"));
}

TEST_F(CrossingTest, AttributesFromBeforeOurOwnWriteAreDropped) {
  host_.Write("f", "x");
  const NodeId f = Find("f");
  Expire();
  HeldQuestion question(proxy_, host_.RemoteOptionsFor(proxy_.endpoint()),
                        [&](rpc::Channel& channel) {
                          EXPECT_TRUE(fs_->GetAttr(channel, f).ok());
                        });
  EXPECT_EQ(*fs_->Write(*channel_, f, 0, "longer", false), 6u);
  question.Finish();
  EXPECT_EQ(GetAttr(f).size, 6u);
  EXPECT_EQ(Look(kRootNode, "f").attr.size, 6u);
  EXPECT_EQ(Read(f), "longer");
}

TEST_F(CrossingTest, ContentFromBeforeOurOwnWriteIsNotServedAfterIt) {
  host_.Write("f", "before");
  host_.Settle("f");
  const NodeId f = Find("f");
  HeldQuestion question(proxy_, host_.RemoteOptionsFor(proxy_.endpoint()),
                        [&](rpc::Channel& channel) {
                          EXPECT_TRUE(fs_->Read(channel, f, 0, 100).ok());
                        });
  EXPECT_EQ(*fs_->Write(*channel_, f, 0, "after!", false), 6u);
  question.Finish();
  EXPECT_EQ(Read(f), "after!");
}

// --- lost answers ---

TEST_F(CrossingTest, AChangeWhoseFateIsUnknownIsNotBelieved) {
  host_.Write("f", "x");
  host_.Settle("f");
  Connect(host_.endpoint(), absl::Seconds(1));
  const NodeId f = Find("f");
  host_.Stop();
  EXPECT_EQ(ToErrno(fs_->Write(*channel_, f, 0, "y", false).status()), EIO);
  EXPECT_EQ(ToErrno(fs_->Lookup(*channel_, kRootNode, "f").status()), EIO)
      << "the kernel must not believe these attributes";
  host_.Start();
  const uint64_t asked = Calls(Method::kGetAttr);
  GetAttr(f);
  EXPECT_EQ(Calls(Method::kGetAttr), asked + 1);
  GetAttr(f);
  EXPECT_EQ(Calls(Method::kGetAttr), asked + 1) << "once";
}

TEST_F(CrossingTest, AHostThatIsAwayIsEioOnceTheTimeIsUp) {
  host_.Write("f", "x");
  host_.Settle("f");
  Connect(host_.endpoint(), absl::Milliseconds(100));
  const NodeId f = Find("f");
  EXPECT_EQ(Read(f), "x");
  host_.Stop();
  EXPECT_EQ(Read(f), "x") << "what is fresh needs no host";
  Expire();
  EXPECT_EQ(ToErrno(fs_->Read(*channel_, f, 0, 10).status()), EIO);
  EXPECT_EQ(ToErrno(fs_->Lookup(*channel_, kRootNode, "f").status()), EIO);
  EXPECT_EQ(ToErrno(fs_->GetAttr(*channel_, f).status()), EIO);
  host_.Start();
  // A busy machine may need longer than the wait to connect.
  auto read = fs_->Read(*channel_, f, 0, 10);
  for (; !read.ok(); read = fs_->Read(*channel_, f, 0, 10)) {
    std::this_thread::yield();
  }
  EXPECT_EQ(read->ToString(), "x");
}

// Two pages tell of changes; the third is lost with its connection, and the
// listing starts again. What the first two told must still reach the kernel.
TEST_F(CrossingTest, AListingThatBreaksOffLosesNoInvalidation) {
  constexpr int kNames = 8'500;
  host_.MakeDir("d");
  for (int i = 0; i < kNames; ++i) host_.Write("d/" + std::to_string(i), "");
  host_.Settle("d/" + std::to_string(kNames - 1));
  rpc::Proxy* cutting = nullptr;
  std::atomic<bool> armed = false;
  rpc::Proxy proxy(dir_ / "cutting", host_.endpoint(), [&] {
    if (armed && Calls(Method::kListMore) == 4) {
      armed = false;
      cutting->CutNextReply();
    }
  });
  cutting = &proxy;
  Connect(proxy.endpoint());
  const NodeId d = Find("d");
  std::vector<NodeId> held;
  for (int i = 0; i < kNames; i += 50) {
    held.push_back(Look(d, std::to_string(i)).node);
  }
  ASSERT_EQ(Calls(Method::kListMore), 2u) << "three pages";
  for (int i = 0; i < kNames; i += 50) {
    ASSERT_EQ(chmod((host_ / ("d/" + std::to_string(i))).c_str(), 0600), 0);
  }
  armed = true;
  Expire();
  for (const NodeId node : held) EXPECT_EQ(GetAttr(node).mode, S_IFREG | 0600u);
  EXPECT_EQ(proxy.cuts(), 1);
  EXPECT_THAT(TakePages(), testing::UnorderedElementsAreArray(held));
}

}  // namespace
}  // namespace warmfs::fuse
