// How long an answer is believed, how many questions a check costs, and what
// the kernel is told to drop.

#include <fcntl.h>
#include <sys/stat.h>

#include <barrier>
#include <thread>

#include "tests/fuse/fs_fixture.h"

namespace warmfs::fuse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FreshnessTest : public FileSystemTest {};

TEST_F(FreshnessTest, AnAnswerIsBelievedUntilItsTimeAndNotLonger) {
  host_.Write("f", "x");
  host_.Settle("f");
  EXPECT_EQ(Look(kRootNode, "f").valid_for, kTtl);
  EXPECT_EQ(Calls(Method::kList), 1u);
  clock_.Step(kTtl - absl::Nanoseconds(1));
  EXPECT_EQ(Look(kRootNode, "f").valid_for, absl::Nanoseconds(1));
  GetAttr(Find("f"));
  EXPECT_EQ(Calls(Method::kList), 1u) << "a nanosecond is left";
  clock_.Step(absl::Nanoseconds(1));
  EXPECT_EQ(Look(kRootNode, "f").valid_for, kTtl);
  EXPECT_EQ(Calls(Method::kList), 2u);
  EXPECT_EQ(fs_->counters().listings_confirmed, 1u) << "by its digest alone";
  EXPECT_EQ(fs_->counters().listings_fetched, 1u);
}

TEST_F(FreshnessTest, AChangeOnTheHostIsSeenAfterTheTtl) {
  host_.Write("f", "old");
  host_.Settle("f");
  const NodeId f = Find("f");
  EXPECT_EQ(Read(f), "old");
  host_.Write("f", "new one");
  host_.Write("another", "");
  EXPECT_EQ(GetAttr(f).size, 3u);
  EXPECT_EQ(Look(kRootNode, "another").node, 0u);
  Expire();
  EXPECT_EQ(GetAttr(f).size, 7u);
  EXPECT_EQ(Read(f), "new one");
  EXPECT_NE(Look(kRootNode, "another").node, 0u);
}

TEST_F(FreshnessTest, MissingNamesCostOneQuestionForAll) {
  host_.MakeDir("d");
  const NodeId d = Find("d");
  const uint64_t before = Calls(Method::kList);
  for (int i = 0; i < 1'000; ++i) {
    const Entry entry = Look(d, "missing-" + std::to_string(i));
    ASSERT_EQ(entry.node, 0u);
    ASSERT_EQ(entry.valid_for, kTtl);
  }
  EXPECT_EQ(Calls(Method::kList), before + 1);
  EXPECT_EQ(Calls(Method::kLookup), 0u);
  EXPECT_EQ(Calls(Method::kGetAttr), 1u) << "the mount's own, of the root";
}

TEST_F(FreshnessTest, AllAttributesOfADirectoryCostOneQuestion) {
  std::vector<NodeId> nodes;
  for (int i = 0; i < 50; ++i) host_.Write(std::to_string(i), "x");
  for (int i = 0; i < 50; ++i) nodes.push_back(Find(std::to_string(i)));
  host_.Settle("49");
  for (int round = 1; round <= 3; ++round) {
    Expire();
    for (const NodeId node : nodes) EXPECT_EQ(GetAttr(node).size, 1u);
    EXPECT_EQ(Calls(Method::kList), 1u + round);
  }
  EXPECT_EQ(remote_->stats().TotalCalls(), 4u + 1) << "and the mount's own";
}

TEST_F(FreshnessTest, ManyThreadsAtOnceAskOnce) {
  constexpr int kThreads = 8, kRounds = 30;
  for (int i = 0; i < kThreads; ++i) host_.Write(std::to_string(i), "x");
  host_.Settle("7");
  std::barrier start(kThreads, [this]() noexcept { Expire(); });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      rpc::Channel channel(*remote_);
      EXPECT_TRUE(channel.Open().ok());
      for (int round = 0; round < kRounds; ++round) {
        start.arrive_and_wait();
        const auto entry = fs_->Lookup(channel, kRootNode, std::to_string(t));
        EXPECT_TRUE(entry.ok() && entry->node != 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Calls(Method::kList), uint64_t{kRounds});
}

// --- content that cannot be told by its version ---

class RacyTest : public FileSystemTest {
 protected:
  // A file that was read while it was racy, which takes a quick read.
  NodeId RacilyRead() {
    for (int i = 0; i < 100; ++i) {
      const std::string name = "racy-" + std::to_string(i);
      host_.Write(name, "first");
      Expire();
      const NodeId node = Find(name);
      EXPECT_EQ(Read(node), "first");
      name_ = name;
      if (fs_->tree().Look(node)->racy_read_at != 0) return node;
    }
    ADD_FAILURE() << "this machine is too slow for a racy read";
    return 0;
  }
  std::string name_;
};

TEST_F(RacyTest, IsCheckedOnceItIsNotRacyAnyMore) {
  const NodeId f = RacilyRead();
  const uint64_t reads = Calls(Method::kRead);
  const uint64_t bytes = remote_->stats().bytes_read;
  EXPECT_EQ(Read(f), "first");
  EXPECT_EQ(Calls(Method::kRead), reads) << "believed for its time";
  host_.Settle(name_);
  Expire();
  GetAttr(f);
  EXPECT_THAT(TakePages(), ElementsAre(f));
  EXPECT_EQ(Read(f), "first");
  EXPECT_EQ(Calls(Method::kRead), reads + 1);
  EXPECT_EQ(remote_->stats().bytes_read, bytes) << "its hash was enough";
  for (int i = 0; i < 3; ++i) {
    Expire();
    GetAttr(f);
    EXPECT_EQ(Read(f), "first");
  }
  EXPECT_THAT(TakePages(), IsEmpty());
  EXPECT_EQ(Calls(Method::kRead), reads + 1) << "once";
}

TEST_F(RacyTest, AChangeWithinTheSameTickIsFoundThen) {
  const NodeId f = RacilyRead();
  // As good as in the same tick: all that a version tells is as before.
  struct stat st {};
  ASSERT_EQ(stat((host_ / name_).c_str(), &st), 0);
  host_.Write(name_, "other");
  const timespec times[2] = {st.st_atim, st.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, (host_ / name_).c_str(), times, 0), 0);
  host_.Settle(name_);
  Expire();
  GetAttr(f);
  EXPECT_THAT(TakePages(), ElementsAre(f));
  EXPECT_EQ(Read(f), "other");
}

// --- what the kernel is told ---

class InvalidationTest : public FileSystemTest {
 protected:
  // Other bytes, and the same size and mtime.
  void WriteKeepingMtime(const std::string& name, std::string_view bytes) {
    struct stat st {};
    ASSERT_EQ(stat((host_ / name).c_str(), &st), 0);
    host_.Write(name, bytes);
    const timespec times[2] = {st.st_atim, st.st_mtim};
    ASSERT_EQ(utimensat(AT_FDCWD, (host_ / name).c_str(), times, 0), 0);
    host_.Settle(name);
  }
};

TEST_F(InvalidationTest, AnotherCtimeAloneIsTold) {
  host_.Write("f", "aaaa");
  host_.Settle("f");
  const NodeId f = Find("f");
  EXPECT_EQ(Read(f), "aaaa");
  WriteKeepingMtime("f", "bbbb");
  Expire();
  GetAttr(f);
  EXPECT_THAT(TakePages(), ElementsAre(f));
  EXPECT_EQ(Read(f), "bbbb");
  Expire();
  GetAttr(f);
  EXPECT_THAT(TakePages(), IsEmpty()) << "once";
}

TEST_F(InvalidationTest, AnotherCtimeIsToldByASingleLookToo) {
  host_.Write("f", "aaaa");
  host_.Settle("f");
  const NodeId f = Find("f");
  WriteKeepingMtime("f", "bbbb");
  Expire();
  EXPECT_EQ(Read(f), "bbbb");
  EXPECT_THAT(TakePages(), ElementsAre(f));
}

TEST_F(InvalidationTest, WhatTheKernelSeesByItselfIsNotTold) {
  host_.Write("f", "aaaa");
  host_.Settle("f");
  const NodeId f = Find("f");
  EXPECT_EQ(Read(f), "aaaa");
  host_.Write("f", "bbbb");
  host_.Settle("f");
  Expire();
  EXPECT_EQ(Read(f), "bbbb");
  EXPECT_THAT(TakePages(), IsEmpty());
}

TEST_F(InvalidationTest, OurOwnChangesAreNotTold) {
  const NodeId f = Create(kRootNode, "f", S_IFREG | 0644);
  EXPECT_EQ(*fs_->Write(*channel_, f, 0, "mine", false), 4u);
  host_.Settle("f");
  Expire();
  EXPECT_EQ(Read(f), "mine");
  EXPECT_THAT(TakePages(), IsEmpty());
  EXPECT_THAT(TakeEntries(), IsEmpty());
}

TEST_F(InvalidationTest, ANameThatWasNotWhatWeTookItForIsDropped) {
  EXPECT_EQ(Look(kRootNode, "f").node, 0u);
  host_.Write("f", "from the host");
  auto made =
      fs_->Create(*channel_, {}, kRootNode, "f", S_IFREG | 0644, "", true);
  EXPECT_EQ(ToErrno(made.status()), EEXIST);
  EXPECT_THAT(TakeEntries(),
              ElementsAre(std::make_pair(kRootNode, std::string("f"))));
  EXPECT_NE(Look(kRootNode, "f").node, 0u) << "at once, not after the TTL";
}

}  // namespace
}  // namespace warmfs::fuse
