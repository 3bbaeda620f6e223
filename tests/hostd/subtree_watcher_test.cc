// A watcher by one stream for the whole tree: what a lease and a fence promise
// holds whatever the stream's delay, and the stream's words become the events
// that clients know. The stream is a script; the files are real.

#include "hostd/subtree_watcher.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "hostd/leased_dirs.h"
#include "tests/fakes/scripted_subtree_source.h"
#include "tests/hostd/watch_fixture.h"

namespace warmfs::hostd {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using enum ChangeKind;

class SubtreeWatcherTest : public WatchTest {
 protected:
  void SetUp() override { Restart({}); }

  // `close_after`: closes are made up at fences only, if nothing else is said.
  void Restart(WatcherOptions options,
               absl::Duration close_after = absl::Hours(1),
               bool tells_closes = false) {
    options.close_after = close_after;
    auto source = std::make_unique<ScriptedSubtreeSource>();
    source_ = source.get();
    if (tells_closes) source->TellCloses();
    ExportOptions exported{.name = "test", .directory = root_};
    exported.watch = [&, source = std::move(source)](const Tree& tree) mutable {
      auto made =
          std::make_unique<SubtreeWatcher>(tree, std::move(source), options);
      watcher_ = made.get();
      tree_ = &tree;
      return made;
    };
    export_ = *Export::Open(std::move(exported));
    seen_ = export_->head();
    paths_.clear();
  }

  // Without what is made up of closes.
  std::vector<std::string> Told() {
    std::vector<std::string> lines;
    for (std::string& line : Lines()) {
      if (!line.starts_with("closed")) lines.push_back(std::move(line));
    }
    return lines;
  }
  void Rename(std::string_view from, std::string_view to) {
    fs::rename(Host(from), Host(to));
    source_->Queue(kMovedFrom, std::string(from));
    source_->Queue(kMovedTo, std::string(to));
  }
  void MakeTold(std::string_view path) {
    MakeDir(path);
    source_->Queue(kCreated, std::string(path));
  }

  ScriptedSubtreeSource* source_ = nullptr;
  SubtreeWatcher* watcher_ = nullptr;
  const Tree* tree_ = nullptr;
};

// --- what is told ---

TEST_F(SubtreeWatcherTest, OnlyWhatIsLeasedIsToldOf) {
  MakeDir("d");
  MakeDir("d/e");
  MakeDir("other");
  Lease("d");
  WriteHost("d/f", "hello");
  source_->Queue(kCreated, "d/f");
  source_->Queue(kModified, "d/f");
  source_->Queue(kCreated, "d/e/g");  // a child of it, which is covered
  source_->Queue(kCreated, "other/f");
  source_->Queue(kCreated, "h");
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(Describe(events[0]), "created d/f");
  EXPECT_EQ(Describe(events[1]), "modified d/f");
  EXPECT_EQ(Describe(events[2]), "created ?g");
  EXPECT_EQ(events[0].entry.id, AttrOf(Host("d/f")).id);
  EXPECT_EQ(events[0].entry.size, 5u);
  EXPECT_EQ(events[0].dir_attr.id, AttrOf(Host("d")).id);
  EXPECT_EQ(Next(seen_).watches, 2u);
}

TEST_F(SubtreeWatcherTest, TheHalvesOfAMoveAreAPair) {
  MakeDir("d");
  MakeDir("unseen");
  Lease("");
  Lease("d");
  WriteHost("a", "");
  Rename("a", "d/b");
  Rename("d/b", "d/c");
  EXPECT_THAT(Lines(), ElementsAre("moved_from a#", "moved_to d/b#",
                                   "moved_from d/b#", "moved_to d/c#"));
}

TEST_F(SubtreeWatcherTest, AMoveFromOrToWhereNobodyLooksIsAHalf) {
  MakeDir("unseen");
  MakeDir("seen");
  Lease("seen");
  WriteHost("unseen/a", "");
  Rename("unseen/a", "seen/a");
  Rename("seen/a", "unseen/b");
  source_->Queue(kMovedFrom, "seen/x");
  EXPECT_THAT(Lines(), ElementsAre("moved_to seen/a", "moved_from seen/a",
                                   "moved_from seen/x"));
}

TEST_F(SubtreeWatcherTest, ARemovalAndACreationOfOneIdAreAMove) {
  MakeDir("d");
  Lease("");
  Lease("d");
  WriteHost("d/f", "");
  source_->Queue(kRemoved, "f", FileId{1, 2});
  source_->Queue(kCreated, "d/f", FileId{1, 2});
  EXPECT_THAT(Told(), ElementsAre("moved_from f#", "moved_to d/f#"));
  source_->Queue(kRemoved, "x", FileId{1, 2});
  source_->Queue(kCreated, "d/x", FileId{1, 3});
  EXPECT_THAT(Told(), ElementsAre("deleted x", "created d/x"));
  source_->Queue(kRemoved, "y");
  source_->Queue(kCreated, "d/y");
  EXPECT_THAT(Told(), ElementsAre("deleted y", "created d/y"));
}

TEST_F(SubtreeWatcherTest, TheRemovalOfWhatAMoveReplacesIsNotTold) {
  Lease("");
  WriteHost("f.tmp", "new");
  source_->Hold();
  source_->Queue(kRemoved, "f");
  Rename("f.tmp", "f");
  source_->Queue(kRemoved, "g");
  source_->Release();
  EXPECT_THAT(Lines(),
              ElementsAre("moved_from f.tmp#", "moved_to f#", "deleted g"));
}

// What is deleted while it is open is moved there.
TEST_F(SubtreeWatcherTest, AMoveIntoHostdsOwnFolderIsARemoval) {
  Lease("");
  source_->Hold();
  source_->Queue(kMovedFrom, "f");
  source_->Queue({.kind = kHidden});
  source_->Queue({.kind = kHidden});
  source_->Queue(kMovedTo, "g");
  source_->Release();
  EXPECT_THAT(Told(), ElementsAre("deleted f", "created g"));
}

TEST_F(SubtreeWatcherTest, AHalfWhoseOtherHalfIsLateWaitsForIt) {
  Lease("");
  WriteHost("b", "");
  std::thread late([&] { source_->Queue(kMovedTo, "b"); });
  source_->Queue(kMovedFrom, "a");
  late.join();
  // Either order is one of the stream's; in none of them is one half lost.
  EXPECT_THAT(Lines(), UnorderedElementsAre(testing::StartsWith("moved_from a"),
                                            testing::StartsWith("moved_to b")));
}

TEST_F(SubtreeWatcherTest, OneLookServesAllChangesOfANameInOneBatch) {
  Lease("");
  source_->Hold();
  WriteHost("f", "1");
  for (int i = 0; i < 3; ++i) source_->Queue(kModified, "f");
  WriteHost("f", "123");
  source_->Release();
  for (const Event& event : Events()) EXPECT_EQ(event.entry.size, 3u);
}

TEST_F(SubtreeWatcherTest, ADeletedTreeIsToldFromTheInsideOut) {
  MakeDir("d");
  Lease("");
  Lease("d");
  source_->Hold();
  source_->Queue(kRemoved, "d/f");
  source_->Queue(kModified, "d");
  source_->Queue(kRemoved, "d");
  fs::remove(Host("d"));
  source_->Release();
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(Describe(events[0]), "deleted d/f");
  EXPECT_TRUE(events[0].dir_attr.id.IsNull()) << "the directory is gone";
  EXPECT_EQ(Describe(events[1]), "revoked d/");
  EXPECT_EQ(Describe(events[2]), "deleted d/");
  EXPECT_EQ(Next(seen_).watches, 1u);
}

TEST_F(SubtreeWatcherTest, ADirectoryIsModifiedByWhatHappensInIt) {
  MakeDir("d");
  Lease("");
  Lease("d");
  // Behind what happened in it, before it, and alone.
  WriteHost("d/f", "");
  source_->Hold();
  source_->Queue(kModified, "d");
  source_->Queue(kCreated, "d/f");
  source_->Queue(kModified, "d");
  source_->Release();
  EXPECT_THAT(Told(), ElementsAre("created d/f"));
  source_->Queue(kModified, "d");
  EXPECT_THAT(Told(), IsEmpty());
  ASSERT_EQ(chmod(Host("d").c_str(), 0700), 0);
  source_->Queue(kModified, "d");
  EXPECT_THAT(Told(), ElementsAre("attributes d/"));
}

// --- closes ---

TEST_F(SubtreeWatcherTest, AWrittenFileCountsAsClosedAtAFence) {
  Lease("");
  WriteHost("f", "x");
  source_->Queue(kCreated, "f");
  source_->Queue(kModified, "f");
  EXPECT_THAT(Lines(), ElementsAre("created f", "modified f", "closed f"));
  EXPECT_THAT(Lines(), IsEmpty()) << "once";
  source_->Queue(kModified, "f");
  EXPECT_THAT(Lines(), ElementsAre("modified f", "closed f"));
  MakeTold("d");
  EXPECT_THAT(Lines(), ElementsAre("created d/"));
}

TEST_F(SubtreeWatcherTest, AWrittenFileCountsAsClosedWhenItIsQuiet) {
  Restart({}, absl::Milliseconds(1));
  Lease("");
  WriteHost("f", "x");
  source_->Queue(kModified, "f");
  std::vector<std::string> lines;
  while (lines.size() < 2) {
    const NextReply reply = Next(seen_, /*wait_ms=*/25'000);
    ASSERT_FALSE(reply.events.empty());
    seen_ = reply.pos;
    for (const Event& event : reply.events) lines.push_back(Describe(event));
  }
  EXPECT_THAT(lines, ElementsAre("modified f", "closed f"));
}

TEST_F(SubtreeWatcherTest, AWrittenFileIsClosedBeforeItsNameGoes) {
  Lease("");
  WriteHost("f.tmp", "x");
  source_->Queue(kCreated, "f.tmp");
  Rename("f.tmp", "f");
  source_->Queue(kCreated, "g");
  source_->Queue(kRemoved, "g");
  EXPECT_THAT(Lines(),
              ElementsAre("created f.tmp", "closed f.tmp", "moved_from f.tmp#",
                          "moved_to f#", "created g", "closed g", "deleted g"));
}

TEST_F(SubtreeWatcherTest, ASourceThatTellsOfClosesIsBelieved) {
  Restart({}, absl::ZeroDuration(), /*tells_closes=*/true);
  Lease("");
  WriteHost("f", "x");
  source_->Queue(kModified, "f");
  EXPECT_THAT(Lines(), ElementsAre("modified f"));
  source_->Queue(kClosedWrite, "f");
  EXPECT_THAT(Lines(), ElementsAre("closed f"));
}

TEST(WrittenFilesTest, TheOneThatHasWaitedLongestGoesForAnother) {
  WrittenFiles files(absl::Seconds(1));
  const absl::Time now = absl::Now();
  for (size_t i = 0; i < WrittenFiles::kMost; ++i) {
    EXPECT_FALSE(files.Note({{}, std::to_string(i)}, 7, now));
  }
  EXPECT_FALSE(files.Note({{}, "0"}, 7, now)) << "it is there already";
  const auto gone = files.Note({{}, "new"}, 7, now);
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->place.second, "1") << "the other was written to again";
  EXPECT_FALSE(files.TakeDue(now));
  EXPECT_TRUE(files.TakeDue(now + absl::Seconds(1)));
}

TEST(WrittenFilesTest, WhatTwoHaveWrittenIsNobodysOwn) {
  WrittenFiles files(absl::Seconds(1));
  for (const uint64_t owner : {7, 8}) {
    files.Note({{}, "both"}, owner, absl::Now());
    files.Note({{}, "one"}, 7, absl::Now());
  }
  EXPECT_EQ(files.Take({{}, "both"})->owner, 0u);
  EXPECT_EQ(files.Take({{}, "one"})->owner, 7u);
}

// --- fences ---

TEST_F(SubtreeWatcherTest, AFenceWaitsForWhatTheStreamHasYetToTell) {
  Lease("");
  source_->Hold();
  WriteHost("f", "");
  source_->Queue(kCreated, "f");
  std::atomic<bool> returned = false;
  Reply fence;
  std::thread waiter([&] {
    fence = export_->Fence();
    returned = true;
  });
  while (source_->markers() == 0) std::this_thread::yield();
  EXPECT_FALSE(returned);
  EXPECT_EQ(export_->head(), seen_);
  source_->Release();
  waiter.join();
  EXPECT_EQ(fence.error, 0);
  EXPECT_EQ(fence.pos.sequence, seen_.sequence + 2);
}

TEST_F(SubtreeWatcherTest, AMarkerThatIsLostIsPlacedAgain) {
  source_->LoseMarkers(1);
  EXPECT_EQ(export_->Fence().error, 0);
  EXPECT_EQ(source_->markers(), 2u);
}

TEST_F(SubtreeWatcherTest, AFenceThatCannotBeIsAnError) {
  source_->RefuseMarkers(EROFS);
  EXPECT_EQ(export_->Fence().error, EROFS);
}

TEST_F(SubtreeWatcherTest, AFenceThatWaitsEndsAtAStop) {
  source_->Hold();
  std::thread waiter([&] { EXPECT_EQ(export_->Fence().error, ESHUTDOWN); });
  export_->StopWaiting();
  waiter.join();
}

// --- leases of directories that move ---

TEST_F(SubtreeWatcherTest, ARenamedDirectoryIsLeasedAnewAndWhatIsBeneathIsNot) {
  MakeDir("a");
  MakeDir("a/b");
  Lease("");
  Lease("a");
  Lease("a/b");
  source_->Hold();
  Rename("a", "c");
  source_->Queue(kCreated, "c/f");
  source_->Queue(kCreated, "c/b/f");
  source_->Release();
  EXPECT_THAT(Told(),
              ElementsAre("revoked a/", "revoked a/b/", "moved_from a/#",
                          "moved_to c/#", "created a/f"))
      << "in the tests' words \"a/\" is the object that was leased as that";
  EXPECT_EQ(Next(seen_).watches, 2u);
  Lease("c/b");
  source_->Queue(kCreated, "c/b/f");
  EXPECT_THAT(Told(), ElementsAre("created c/b/f"));
}

TEST_F(SubtreeWatcherTest, ADirectoryThatMovesToAndFroIsLeasedInTheEnd) {
  MakeDir("a");
  Lease("");
  Lease("a");
  source_->Hold();
  for (int i = 0; i < 3; ++i) {
    Rename("a", "b");
    Rename("b", "a");
  }
  source_->Queue(kCreated, "a/f");
  source_->Release();
  EXPECT_EQ(Told().back(), "created a/f");
}

TEST_F(SubtreeWatcherTest, AMoveOfWhatIsNotLeasedEndsLeasesBeneath) {
  MakeDir("x");
  MakeDir("x/y");
  Lease("x/y");
  Rename("x", "z");
  EXPECT_THAT(Lines(), ElementsAre("revoked x/y/"));
  fs::create_directories(Host("x/y"));
  source_->Queue(kCreated, "x/y/f");
  EXPECT_THAT(Lines(), IsEmpty()) << "that is another directory";
}

TEST_F(SubtreeWatcherTest, ADirectoryMovedOutIsNotFollowed) {
  MakeDir("a");
  MakeDir("a/b");
  Lease("");
  Lease("a");
  fs::rename(Host("a"), outside_ + "/a");
  source_->Queue(kRemoved, "a");
  source_->Queue(kCreated, "a/b/secret");
  EXPECT_THAT(Lines(),
              UnorderedElementsAre("revoked a/", "revoked ?", "deleted a/"));
  EXPECT_EQ(Next(seen_).watches, 1u);
}

// The stream has yet to tell that the first one is gone.
TEST_F(SubtreeWatcherTest, ADirectoryMadeAnewIsAnother) {
  MakeDir("d");
  MakeDir("d/e");
  Lease("");
  Lease("d");
  source_->Hold();
  fs::remove_all(Host("d"));
  MakeDir("d");
  source_->Queue(kRemoved, "d/e");
  source_->Queue(kRemoved, "d");
  source_->Queue(kCreated, "d");
  ASSERT_TRUE(List("").leased);
  EXPECT_EQ(Next(seen_).watches, 2u) << "the old ones are none any more";
  source_->Release();
  Lines();
  WriteHost("d/f", "");
  source_->Queue(kCreated, "d/f");
  EXPECT_THAT(Told(), ElementsAre("created ?f"));
}

TEST_F(SubtreeWatcherTest, WhatIsNotAtItsPathIsNotLeased) {
  MakeDir("a");
  Node node;
  ASSERT_EQ(tree_->Find(client_, Ref("a"), &node), 0);
  fs::rename(Host("a"), Host("b"));
  MakeDir("a");
  EXPECT_FALSE(watcher_->Lease(node, "a"));
  EXPECT_EQ(Next(seen_).watches, 0u);
  EXPECT_EQ(Next(seen_).refused, 1u);
  EXPECT_TRUE(watcher_->Lease(node, "b"));
}

// Directories move all the time, and the stream is behind. Whatever a lease was
// given for, and has not been void since, is told.
TEST_F(SubtreeWatcherTest, NoLeaseIsLeftBehindByMoves) {
  MakeDir("p");
  MakeDir("p/d");
  const FileId id = AttrOf(Host("p/d")).id;
  Lease("");
  std::atomic<bool> done = false;
  std::thread mover([&] {
    for (int i = 0; i < 300; ++i) {
      Rename(i % 2 == 0 ? "p" : "q", i % 2 == 0 ? "q" : "p");
    }
    done = true;
  });
  int leased = 0;
  for (int i = 0; !done || leased == 0; ++i) {
    const std::string parent = fs::exists(Host("p")) ? "p" : "q";
    const JournalPos pos = export_->head();
    const std::string path = parent + "/d";
    ListRequest request;
    request.dir = {.path = path, .id = id};
    request.lease = true;
    const ListReply reply = export_->List(client_, cursors_, request);
    if (reply.error != 0 || !reply.leased) continue;
    ++leased;
    // It is wherever it is: told under whichever path is the right one now.
    for (const char* at : {"p/d/f", "q/d/f"}) source_->Queue(kCreated, at);
    ASSERT_EQ(export_->Fence().error, 0);
    const NextReply next = Next(pos);
    const auto about = [&](const Event& event) {
      return event.dir == reply.dir.id;
    };
    EXPECT_TRUE(std::any_of(next.events.begin(), next.events.end(), about))
        << "neither told nor revoked, round " << i;
  }
  mover.join();
}

// A writer makes files, and the stream tells of each some time later; a client
// lists under leases. Each file is listed, or told behind the listing.
TEST_F(SubtreeWatcherTest, NothingIsMissedBetweenListingAndStream) {
  MakeDir("d");
  std::thread writer([&] {
    for (int i = 0; i < 500; ++i) {
      const std::string name = "d/f" + std::to_string(i);
      WriteHost(name, "");
      source_->Queue(kCreated, name);
    }
  });
  const JournalPos pos = export_->head();
  const ListReply reply = List("d");
  ASSERT_TRUE(reply.leased);
  writer.join();
  seen_ = pos;
  std::set<std::string> known;
  for (const DirEntry& entry : reply.entries) known.insert(entry.name);
  for (const Event& event : Events()) known.insert(event.name);
  EXPECT_EQ(known.size(), 500u);
}

// --- what cannot be leased ---

TEST_F(SubtreeWatcherTest, AFileOfSeveralLinksIsNotCovered) {
  MakeDir("d");
  WriteHost("d/f", "x");
  Lease("d");
  fs::create_hard_link(Host("d/f"), outside_ + "/g");
  EXPECT_FALSE(List("d").leased);
  source_->Queue(kModified, "d/f");
  EXPECT_THAT(Told(), ElementsAre("modified d/f", "revoked d/"));
  fs::remove(outside_ + "/g");
  EXPECT_TRUE(List("d").leased);
}

TEST_F(SubtreeWatcherTest, BeyondTheBoundLeasesAreRefusedAndCounted) {
  Restart({.max_watches = 2});
  for (const char* name : {"a", "b", "c"}) MakeDir(name);
  EXPECT_FALSE(List("").leased);
  EXPECT_EQ(Next(seen_).watches, 2u);
  EXPECT_GE(Next(seen_).refused, 2u);
}

TEST_F(SubtreeWatcherTest, WithoutAFollowerAllLeasesEndAfterTheGrace) {
  Restart({.lease_grace = absl::ZeroDuration()});
  Lease("");
  Next(seen_);
  export_->Sweep(absl::Now());
  export_->Sweep(absl::Now() + absl::Seconds(1));
  const NextReply reply = Next(seen_, /*wait_ms=*/25'000);
  EXPECT_TRUE(reply.new_epoch);
  EXPECT_EQ(reply.watches, 0u);
}

// --- what is lost ---

TEST_F(SubtreeWatcherTest, WhatIsLostIsANewEpochAndEveryLeaseIsVoid) {
  MakeDir("d");
  Lease("");
  source_->Queue(kCreated, "a");
  source_->Queue({.kind = kLost});
  source_->Queue(kCreated, "b");
  const Reply fence = export_->Fence();
  EXPECT_EQ(fence.error, 0);
  EXPECT_NE(fence.pos.journal_id, seen_.journal_id);
  const NextReply reply = Next(seen_);
  EXPECT_TRUE(reply.new_epoch);
  EXPECT_EQ(reply.overflows, 1u);
  EXPECT_EQ(reply.watches, 0u);
  seen_ = reply.pos;
  Lease("");
  source_->Queue(kCreated, "c");
  EXPECT_THAT(Told(), ElementsAre("created c"));
}

TEST_F(SubtreeWatcherTest, ATreeThatIsOutOfReachIsLeasedNoMore) {
  Lease("");
  source_->Queue({.kind = kEnded});
  EXPECT_NE(export_->Fence().pos.journal_id, seen_.journal_id);
  const ListReply reply = List("");
  EXPECT_EQ(reply.error, 0);
  EXPECT_FALSE(reply.leased);
}

// --- own work ---

class SubtreeOwnWorkTest : public SubtreeWatcherTest {
 protected:
  void SetUp() override {
    SubtreeWatcherTest::SetUp();
    Lease("");
    source_->Hold();
  }
  std::vector<std::string> Released() {
    source_->Release();
    return Lines();
  }
};

TEST_F(SubtreeOwnWorkTest, WhatAClientDidIsItsOwnHoweverLateItIsTold) {
  ASSERT_EQ(Create("", "f", S_IFREG | 0644).error, 0);
  ASSERT_EQ(Write(Ref("f"), 0, "hello").error, 0);
  ASSERT_EQ(Create("", "d", S_IFDIR | 0755).error, 0);
  ASSERT_EQ(Create("d", "g", S_IFREG | 0644).error, 0);
  ASSERT_EQ(Remove("", "f").error, 0);
  source_->Queue(kCreated, "f");
  source_->Queue(kModified, "f");
  source_->Queue(kCreated, "d");
  source_->Queue(kCreated, "d/g");
  source_->Queue(kRemoved, "f");
  EXPECT_THAT(Released(), ElementsAre("!created f", "!modified f",
                                      "!created d/", "!created ?g", "!closed f",
                                      "!deleted f", "!closed ?g"));
}

TEST_F(SubtreeOwnWorkTest, TheOthersAreToldOfIt) {
  ClientState other{budget_};
  ASSERT_EQ(Create("", "f", S_IFREG | 0644).error, 0);
  source_->Queue(kCreated, "f");
  source_->Release();
  for (const Event& event : EventsOf(other)) EXPECT_FALSE(event.own);
}

// The claim has not ended, by what is known of the stream; the state tells.
TEST_F(SubtreeOwnWorkTest, WhatSomebodyElseDidAfterwardsIsNot) {
  ASSERT_EQ(Create("", "f", S_IFREG | 0644).error, 0);
  ASSERT_EQ(Write(Ref("f"), 0, "hello").error, 0);
  Settle("f");  // another change has another time
  WriteHost("f", "by the host");
  source_->Queue(kModified, "f");
  EXPECT_THAT(Released(), ElementsAre("modified f", "closed f"));
}

TEST_F(SubtreeOwnWorkTest, AClaimEndsWithTheMarkerBehindIt) {
  ASSERT_EQ(Create("", "f", S_IFREG | 0644).error, 0);
  EXPECT_GT(watcher_->claims().size(), 0u);
  EXPECT_THAT(Released(), IsEmpty());
  while (watcher_->claims().size() > 0) export_->Fence();
  source_->Queue(kCreated, "f");
  EXPECT_THAT(Lines(), ElementsAre("created f", "closed f"));
}

TEST_F(SubtreeOwnWorkTest, ClaimsThatNothingIsToldOfEndByThemselves) {
  source_->Release();
  ASSERT_EQ(Create("", "f", S_IFREG | 0644).error, 0);
  export_->Sweep(absl::Now());
  while (watcher_->claims().size() > 0) std::this_thread::yield();
}

TEST_F(SubtreeOwnWorkTest, WithoutMarkersClaimsEndToo) {
  source_->RefuseMarkers(EROFS);
  source_->Release();
  ASSERT_EQ(Create("", "f", S_IFREG | 0644).error, 0);
  export_->Sweep(absl::Now());
  while (watcher_->claims().size() > 0) std::this_thread::yield();
}

// --- the table ---

TEST(LeasedDirsTest, WhatIsBeneathAPathGoesAndNothingElse) {
  LeasedDirs dirs(10);
  std::vector<FileId> evicted;
  uint64_t n = 0;
  for (const char* path : {"", "a", "a/b", "a/b/c", "a.b", "ab", "b"}) {
    ASSERT_TRUE(dirs.Add({1, ++n}, path, &evicted));
  }
  EXPECT_THAT(evicted, IsEmpty());
  EXPECT_THAT(dirs.DropAt("a"),
              ElementsAre(FileId{1, 2}, FileId{1, 3}, FileId{1, 4}));
  EXPECT_EQ(dirs.size(), 4u);
  EXPECT_EQ(dirs.At("a.b"), (FileId{1, 5}));
  EXPECT_THAT(dirs.DropAt("nowhere"), IsEmpty());
}

TEST(LeasedDirsTest, APathIsOnesAlone) {
  LeasedDirs dirs(10);
  std::vector<FileId> evicted;
  ASSERT_TRUE(dirs.Add({1, 1}, "", &evicted));
  ASSERT_TRUE(dirs.Add({1, 2}, "a", &evicted));
  ASSERT_TRUE(dirs.Add({1, 3}, "a/b", &evicted));
  ASSERT_TRUE(dirs.AddChild({1, 1}, "a", {1, 4}, &evicted));
  EXPECT_THAT(evicted, ElementsAre(FileId{1, 2}, FileId{1, 3}));
  EXPECT_EQ(dirs.At("a"), (FileId{1, 4}));
  EXPECT_FALSE(dirs.AddChild({1, 2}, "x", {1, 5}, &evicted));
}

TEST(LeasedDirsTest, ThereIsABound) {
  LeasedDirs dirs(1);
  std::vector<FileId> evicted;
  ASSERT_TRUE(dirs.Add({1, 1}, "", &evicted));
  EXPECT_FALSE(dirs.Add({1, 2}, "a", &evicted));
  EXPECT_TRUE(dirs.Add({1, 1}, "", &evicted));
  EXPECT_EQ(dirs.refused(), 1u);
}

}  // namespace
}  // namespace warmfs::hostd
