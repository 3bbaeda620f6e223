// A watcher by one stream for the whole tree: what a lease and a fence promise
// holds whatever the stream's delay. The stream is a script; the files are
// real.

#include "hostd/subtree_watcher.h"

#include <errno.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "hostd/leased_dirs.h"
#include "tests/hostd/subtree_fixture.h"

namespace warmfs::hostd {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using enum ChangeKind;

class SubtreeWatcherTest : public SubtreeTest {};

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

TEST_F(SubtreeWatcherTest, TheDirectoryThatItIsMovedToIsTheOneThatEnds) {
  MakeDir("a");
  MakeDir("b");
  WriteHost("a/f", "x");
  Lease("a");
  Lease("b");
  fs::create_hard_link(Host("a/f"), outside_ + "/g");
  Rename("a/f", "b/f");
  EXPECT_THAT(Told(),
              ElementsAre("moved_from a/f#", "moved_to b/f#", "revoked b/"));
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

TEST_F(SubtreeWatcherTest, AFenceThatWaitsEndsWithTheTree) {
  source_->Hold();
  std::thread waiter([&] { EXPECT_EQ(export_->Fence().error, 0); });
  while (source_->markers() == 0) std::this_thread::yield();
  source_->LoseQueued();
  source_->Queue({.kind = kEnded});
  source_->Release();
  waiter.join();
}

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
  EXPECT_TRUE(Next(seen_, /*wait_ms=*/25'000).new_epoch);
  const ListReply reply = List("");
  EXPECT_EQ(reply.error, 0);
  EXPECT_FALSE(reply.leased);
  EXPECT_EQ(export_->Fence().error, ENODEV);
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
