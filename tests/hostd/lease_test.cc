// What a lease promises: no change without an event, whatever happens while it
// is given; and what happens when it cannot be given, or ends.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "tests/fakes/scripted_watch_source.h"
#include "tests/hostd/watch_fixture.h"

namespace warmfs::hostd {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class LeaseTest : public EachSourceTest {
 protected:
  LookupReply Lookup(std::string_view dir, std::string_view name) {
    LookupRequest request;
    request.dir = Ref(dir);
    request.name = name;
    request.lease = true;
    return export_->Lookup(client_, request);
  }
};

INSTANTIATE_TEST_SUITE_P(Sources, LeaseTest,
                         testing::Values(SourceKind::kInotify,
                                         SourceKind::kFanotify),
                         [](const auto& info) { return NameOf(info.param); });

TEST_P(LeaseTest, ALookupLeasesTheDirectoryAndWatchesWhatItFinds) {
  MakeDir("d");
  EXPECT_TRUE(Lookup("", "missing").leased);
  EXPECT_EQ(Next(seen_).watches, 1u);
  EXPECT_TRUE(Lookup("", "d").leased);
  EXPECT_EQ(Next(seen_).watches, 2u);
  WriteHost("missing", "");
  EXPECT_THAT(Lines(), ElementsAre("created ?missing", "closed ?missing"));
}

TEST_P(LeaseTest, AnUnchangedListingIsLeasedToo) {
  MakeDir("d");
  WriteHost("f", "x");
  Settle("f");
  Settle("d");
  ListRequest request{.dir = Ref(""), .known = List("", false).digest};
  ASSERT_FALSE(request.known.IsNone());
  request.lease = true;
  const ListReply reply = export_->List(client_, cursors_, request);
  EXPECT_TRUE(reply.unchanged);
  EXPECT_TRUE(reply.leased);
  EXPECT_EQ(Next(seen_).watches, 2u);
}

TEST_P(LeaseTest, EveryPageOfALargeDirectoryIsLeased) {
  FillDirectory("big", kMaxListEntries + 10);
  ListRequest request{.dir = Ref("big")};
  request.lease = true;
  const ListReply first = export_->List(client_, cursors_, request);
  EXPECT_TRUE(first.leased);
  ASSERT_NE(first.cursor, 0u);
  EXPECT_TRUE(export_->ListMore(cursors_, first.cursor).leased);
  EXPECT_EQ(Next(seen_).watches, 2u) << "the directory, and the one file";
}

TEST_P(LeaseTest, ADirectoryMadeAndFilledAtOnceHasNoGap) {
  Lease("");
  std::set<std::string> told;
  for (int i = 0; i < 200; ++i) {
    const std::string name = "d" + std::to_string(i);
    MakeDir(name);
    for (const Event& event : Events()) {
      if (!event.directory) continue;
      // As a client would: it is told of the directory, and lists it.
      const ListReply reply = List(event.name);
      ASSERT_TRUE(reply.leased);
      for (const DirEntry& entry : reply.entries) told.insert(entry.name);
    }
    WriteHost(name + "/f" + std::to_string(i), "");
    for (const Event& event : Events()) told.insert(event.name);
  }
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(told.contains("f" + std::to_string(i))) << i;
  }
}

// A writer makes directories as fast as it can; a client lists each one that it
// is told of. Whatever is there in the end was listed or told.
TEST_P(LeaseTest, NothingIsMissedWhileTreesGrow) {
  Lease("");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 150; ++i) {
      const std::string path = Host("t" + std::to_string(i)) + "/a/b";
      fs::create_directories(path);
      UniqueFd(creat((path + "/f").c_str(), 0644));
    }
    done = true;
  });
  std::map<FileId, std::string> paths = {{export_->info().root, ""}};
  std::set<std::string> known;
  // A listing shows directories in turn, which are to be listed.
  const auto learn = [&](const std::string& first) {
    std::vector<std::string> todo = {first};
    while (!todo.empty()) {
      const std::string path = todo.back();
      todo.pop_back();
      const ListReply reply = List(path);
      paths[reply.dir.id] = path;
      for (const DirEntry& entry : reply.entries) {
        const std::string child = (path.empty() ? "" : path + '/') + entry.name;
        if (!known.insert(child).second || !entry.attr.IsDirectory()) continue;
        todo.push_back(child);
      }
    }
  };
  for (bool last = false; !last;) {
    last = done;
    for (const Event& event : Events()) {
      if (event.kind != EventKind::kCreated || !paths.contains(event.dir)) {
        continue;
      }
      const std::string& dir = paths[event.dir];
      const std::string path = (dir.empty() ? "" : dir + '/') + event.name;
      if (known.insert(path).second && event.directory) learn(path);
    }
  }
  writer.join();
  for (int i = 0; i < 150; ++i) {
    EXPECT_TRUE(known.contains("t" + std::to_string(i) + "/a/b/f")) << i;
  }
}

TEST_P(LeaseTest, AFenceCoversWhatHappenedBefore) {
  WriteHost("f", "x");
  MakeDir("d");
  Lease("");
  Lease("d");
  std::mt19937 random(1);
  const UniqueFd file(open(Host("f").c_str(), O_WRONLY));
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = Host("d/n" + std::to_string(random() % 8));
    switch (random() % 4) {
      case 0:
        ASSERT_EQ(pwrite(file.get(), "y", 1, 0), 1);
        break;
      case 1:
        ASSERT_EQ(chmod(Host("f").c_str(), 0600 + random() % 64), 0);
        break;
      case 2:
        if (!UniqueFd(creat(name.c_str(), 0644))) fs::remove(name);
        break;
      default:
        if (mkdir(name.c_str(), 0755) != 0) fs::remove(name);
    }
    const Reply fence = export_->Fence();
    ASSERT_EQ(fence.error, 0);
    ASSERT_GT(fence.pos, seen_) << i;
    ASSERT_EQ(export_->head(), fence.pos) << "nothing was left behind";
    seen_ = fence.pos;
  }
}

TEST_P(LeaseTest, ManyDirectories) {
  constexpr int kDirectories = 3000;
  for (int i = 0; i < kDirectories; ++i) MakeDir("d" + std::to_string(i));
  Lease("");
  EXPECT_EQ(Next(seen_).watches, uint64_t{kDirectories} + 1);
  for (int i = 0; i < kDirectories; i += 100) {
    WriteHost("d" + std::to_string(i) + "/f", "x");
  }
  EXPECT_EQ(Events().size(), 3u * kDirectories / 100);
  for (int i = 0; i < kDirectories; ++i)
    fs::remove_all(Host("d" + std::to_string(i)));
  Events();
  EXPECT_EQ(Next(seen_).watches, 1u);
}

// --- files of several links ---

TEST_P(LeaseTest, AFileOfSeveralLinksTellsOfChangesElsewhere) {
  WriteHost("f", "x");
  MakeDir("d");
  fs::create_hard_link(Host("f"), outside_ + "/g");
  Lease("");
  EXPECT_EQ(Next(seen_).watches, 3u);
  ASSERT_EQ(truncate((outside_ + "/g").c_str(), 10), 0);
  std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(events[0].dir.IsNull());
  EXPECT_EQ(events[0].kind, EventKind::kModified);
  EXPECT_EQ(events[0].entry.id, AttrOf(Host("f")).id);
  EXPECT_EQ(events[0].entry.size, 10u);
  // By its name in a watched directory it is told once.
  ASSERT_EQ(truncate(Host("f").c_str(), 5), 0);
  EXPECT_THAT(Lines(), ElementsAre("modified f"));
  ASSERT_EQ(truncate((outside_ + "/g").c_str(), 6), 0);
  EXPECT_THAT(Lines(), ElementsAre("modified "));
  fs::remove(outside_ + "/g");
  EXPECT_THAT(Lines(), ElementsAre("attributes "));
  EXPECT_EQ(Next(seen_).watches, 2u) << "it has one link again";
}

TEST_P(LeaseTest, ANewLinkIsWatchedFromItsEventOn) {
  WriteHost("f", "x");
  Lease("");
  fs::create_hard_link(Host("f"), Host("g"));
  EXPECT_THAT(Lines(), ElementsAre("created g"));
  EXPECT_EQ(Next(seen_).watches, 2u);
  fs::rename(Host("g"), outside_ + "/g");
  EXPECT_THAT(Lines(), ElementsAre("moved_from g"));
  ASSERT_EQ(truncate((outside_ + "/g").c_str(), 6), 0);
  EXPECT_THAT(Lines(), ElementsAre("modified "));
}

// --- bounds ---

TEST_P(LeaseTest, BeyondTheBoundLeasesAreRefusedAndCounted) {
  Reopen({.max_watches = 2});
  for (const char* name : {"a", "b", "c"}) MakeDir(name);
  EXPECT_FALSE(List("").leased) << "not all of its directories are watched";
  const NextReply status = Next(seen_);
  EXPECT_EQ(status.watches, 2u);
  EXPECT_GE(status.refused, 2u);
  fs::remove(Host("b"));
  fs::remove(Host("c"));
  fs::remove(Host("a"));
  Events();
  EXPECT_TRUE(List("").leased);
}

TEST_P(LeaseTest, ALeaseEndsWhenSomethingNewInItCannotBeWatched) {
  Reopen({.max_watches = 1});
  Lease("");
  WriteHost("f", "");
  EXPECT_THAT(Lines(), ElementsAre("created f", "closed f"));
  MakeDir("d");
  EXPECT_THAT(Lines(), ElementsAre("created d/", "revoked "));
  EXPECT_EQ(Next(seen_).watches, 0u);
}

TEST_P(LeaseTest, WhatHostdMayNotReadDoesNotCostALease) {
  if (kind_ != SourceKind::kInotify) GTEST_SKIP() << "hostd may read all";
  MakeDir("closed");
  WriteHost("f", "x");
  fs::create_hard_link(Host("f"), Host("g"));
  ASSERT_EQ(chmod(Host("closed").c_str(), 0), 0);
  ASSERT_EQ(chmod(Host("f").c_str(), 0), 0);
  export_.reset();  // a fork has no threads
  RunUnprivileged([&] {
    Reopen({});
    EXPECT_TRUE(List("").leased);
    EXPECT_EQ(Next(seen_).watches, 1u);
    EXPECT_EQ(Next(seen_).refused, 0u);
    export_.reset();
  });
}

TEST_P(LeaseTest, WatchesHoldDescriptorsAndGiveThemBack) {
  for (int i = 0; i < 50; ++i) MakeDir("d" + std::to_string(i));
  const size_t before = OpenDescriptors();
  Lease("");
  EXPECT_EQ(OpenDescriptors(), before + 51);
  export_->Sweep(absl::Now());
  export_->Sweep(absl::Now() + absl::Hours(1));
  while (OpenDescriptors() != before) std::this_thread::yield();
}

// --- the end of all leases ---

TEST_P(LeaseTest, WithoutAFollowerAllLeasesEndAfterTheGrace) {
  Reopen({.lease_grace = absl::Seconds(60)});
  MakeDir("d");
  Lease("");
  const absl::Time start = absl::Now();
  export_->Sweep(start);
  Next(seen_);
  export_->Sweep(start + absl::Seconds(100));
  EXPECT_EQ(export_->head(), seen_) << "it was asked for";
  export_->Sweep(start + absl::Seconds(159));
  EXPECT_EQ(export_->head(), seen_);
  export_->Sweep(start + absl::Seconds(161));
  const NextReply reply = Next(seen_, /*wait_ms=*/25'000);
  EXPECT_TRUE(reply.new_epoch);
  EXPECT_EQ(reply.watches, 0u);
  seen_ = reply.pos;
  WriteHost("f", "");
  EXPECT_THAT(Lines(), IsEmpty());
  Lease("");
  WriteHost("f", "x");
  EXPECT_THAT(Lines(), testing::Contains("modified f"));
}

TEST_P(LeaseTest, LeasesGivenWhileAllEndAreGivenOrVoid) {
  for (int i = 0; i < 20; ++i) MakeDir("d" + std::to_string(i));
  Reopen({.lease_grace = absl::ZeroDuration()});
  std::atomic<bool> done = false;
  std::thread sweeper([&] {
    while (!done) export_->Sweep(absl::Now());
  });
  for (int i = 0; i < 300; ++i) {
    const JournalPos pos = export_->head();
    const std::string name = "d" + std::to_string(i % 20);
    ASSERT_TRUE(List(name).leased);
    WriteHost(name + "/f", std::string(1, static_cast<char>('a' + i % 26)));
    const Reply fence = export_->Fence();
    const NextReply reply = Next(pos);
    ASSERT_TRUE(reply.new_epoch || !reply.events.empty()) << i;
    ASSERT_EQ(fence.error, 0);
  }
  done = true;
  sweeper.join();
}

// The watch of a directory that is gone is dropped when its last events have
// been told, whoever looks at what took its place before that.
TEST_P(LeaseTest, ADirectoryMadeAnewIsAnother) {
  MakeDir("d");
  Lease("");
  Lease("d");
  for (int i = 0; i < 20; ++i) {
    WriteHost("d/f", "");
    fs::remove_all(Host("d"));
    MakeDir("d");
    ASSERT_TRUE(List("").leased);
    const std::vector<std::string> lines = Lines();
    EXPECT_THAT(lines, testing::IsSupersetOf({"deleted d/", "created d/"}));
    EXPECT_EQ(lines.size(), 5u);
  }
  EXPECT_EQ(Next(seen_).watches, 2u);
}

// --- what only a scripted source can do ---

class ScriptedTest : public WatchTest {
 protected:
  void SetUp() override { Restart({}); }
  void Restart(const WatcherOptions& options) {
    auto source = std::make_unique<ScriptedWatchSource>();
    source_ = source.get();
    export_ = OpenWatched(std::move(source), options);
    seen_ = export_->head();
  }
  ScriptedWatchSource* source_ = nullptr;
};

TEST_F(ScriptedTest, AnOverflowIsANewEpochAndWatchesStay) {
  Lease("");
  source_->Queue(root_, IN_CREATE, "a");
  EXPECT_THAT(Lines(), ElementsAre("created a"));
  source_->Overflow();
  source_->Queue(root_, IN_CREATE, "b");
  const Reply fence = export_->Fence();
  EXPECT_NE(fence.pos.journal_id, seen_.journal_id);
  const NextReply reply = Next(seen_);
  EXPECT_TRUE(reply.new_epoch);
  EXPECT_EQ(reply.overflows, 1u);
  EXPECT_EQ(reply.watches, 1u);
  seen_ = {fence.pos.journal_id, 0};
  EXPECT_THAT(Lines(), ElementsAre("created b"));
}

TEST_F(ScriptedTest, WhatWasMovedOutDuringAnOverflowIsNotFollowed) {
  MakeDir("d");
  Lease("");
  fs::rename(Host("d"), outside_ + "/d");
  source_->Overflow();
  seen_ = {export_->Fence().pos.journal_id, 0};
  source_->Queue(outside_ + "/d", IN_CREATE, "secret");
  EXPECT_THAT(Lines(), IsEmpty());
  EXPECT_EQ(Next(seen_).watches, 1u);
}

TEST_F(ScriptedTest, OneLookServesAllEventsOfANameInOneBatch) {
  Lease("");
  source_->Hold();
  WriteHost("f", "1");
  for (int i = 0; i < 3; ++i) source_->Queue(root_, IN_MODIFY, "f");
  WriteHost("f", "123");
  source_->Release();
  for (const Event& event : Events()) EXPECT_EQ(event.entry.size, 3u);
}

TEST_F(ScriptedTest, TheHalvesOfAMoveAreBroughtTogether) {
  Lease("");
  source_->Hold();
  source_->Queue(root_, IN_MOVED_FROM, "a", 7);
  source_->Queue(root_, IN_MODIFY, "x");
  source_->Queue(root_, IN_MOVED_TO, "b", 7);
  source_->Queue(root_, IN_MOVED_TO, "c", 8);
  source_->Queue(root_, IN_MODIFY, "y");
  source_->Release();
  EXPECT_THAT(Lines(), ElementsAre("moved_from a#", "moved_to b#", "modified x",
                                   "moved_to c", "modified y"));
}

TEST_F(ScriptedTest, AHalfIsWaitedForAndThenGoesAlone) {
  Lease("");
  source_->Queue(root_, IN_MOVED_FROM, "a", 7);
  EXPECT_THAT(Lines(), ElementsAre("moved_from a"));
  source_->Queue(root_, IN_MOVED_TO, "b", 7);
  EXPECT_THAT(Lines(), ElementsAre("moved_to b"));
}

TEST_F(ScriptedTest, AnUnmountedDirectoryIsRevoked) {
  MakeDir("d");
  Lease("");
  Lease("d");
  source_->Queue(Host("d"), IN_UNMOUNT);
  EXPECT_THAT(Lines(), ElementsAre("revoked d/"));
  source_->Queue(Host("d"), IN_CREATE, "f");
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(ScriptedTest, TheSystemsLimitRefusesLeases) {
  MakeDir("d");
  source_->Limit(1);
  EXPECT_FALSE(List("").leased);
  EXPECT_TRUE(List("").dir.IsDirectory()) << "the listing is served";
  EXPECT_EQ(Next(seen_).refused, 2u);
}

TEST_F(ScriptedTest, AFenceThatWaitsEndsAtAStop) {
  Lease("");
  source_->Hold();
  source_->Queue(root_, IN_CREATE, "a");
  std::thread waiter([&] { EXPECT_EQ(export_->Fence().error, ESHUTDOWN); });
  export_->StopWaiting();
  waiter.join();
}

TEST_F(ScriptedTest, WhatWasToldBeforeAResumeIsExact) {
  Restart({.journal = {.events = 10, .bytes = 1 << 20}});
  Lease("");
  for (int i = 0; i < 8; ++i) source_->Queue(root_, IN_CREATE, "a");
  const JournalPos middle{seen_.journal_id, 3};
  EXPECT_EQ(Events().size(), 8u);
  EXPECT_EQ(Next(middle).events.size(), 5u);
  for (int i = 0; i < 8; ++i) source_->Queue(root_, IN_CREATE, "a");
  EXPECT_EQ(Events().size(), 8u);
  EXPECT_TRUE(Next(middle).new_epoch);
}

}  // namespace
}  // namespace warmfs::hostd
