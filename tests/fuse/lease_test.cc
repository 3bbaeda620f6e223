// Leases and the journal: what is answered without a message, what an event
// drops, and what is kept over restarts and epochs.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuse/lease_fixture.h"

namespace warmfs::fuse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// --- warm without a message ---

TEST_F(LeaseTest, UnderALeaseNothingIsAskedHoweverLateItIs) {
  host_.MakeDir("d");
  host_.Write("d/f", "bytes");
  const NodeId dir = Find("d");
  const NodeId file = Find("d/f");
  EXPECT_EQ(Read(file), "bytes");
  Names(dir);
  const uint64_t work = Work();
  for (int i = 0; i < 3; ++i) {
    clock_.Step(absl::Hours(1));
    EXPECT_EQ(Look(dir, "f").node, file);
    EXPECT_EQ(Look(dir, "nothing").node, 0u);
    EXPECT_EQ(GetAttr(file).size, 5u);
    EXPECT_EQ(GetAttr(dir).id, GetAttr(dir).id);
    EXPECT_EQ(Read(file), "bytes");
    EXPECT_THAT(Names(dir), ElementsAre("f"));
  }
  EXPECT_EQ(Work(), work);
}

TEST_F(LeaseTest, TheKernelMayKeepWhatIsLeased) {
  host_.Write("f", "x");
  EXPECT_GT(Look(kRootNode, "f").valid_for, absl::Hours(24));
  EXPECT_GT(Look(kRootNode, "nothing").valid_for, absl::Hours(24));
}

// The twin: without the events, the same file stays as it was.
TEST_F(LeaseTest, WithoutEventsALeaseWouldBeStale) {
  host_.Write("f", "old");
  const NodeId file = Find("f");
  EXPECT_EQ(Read(file), "old");
  host_.Write("f", "newer");
  Expire();
  EXPECT_EQ(Read(file), "old") << "a check was made that a lease should save";
  TakeIn();
  EXPECT_EQ(Read(file), "newer");
}

TEST_F(LeaseTest, NobodyFollowingMeansTheTtl) {
  host_.Write("f", "old");
  const NodeId file = Find("f");
  Read(file);
  fs_->FollowJournal(0);
  host_.Write("f", "newer");
  Expire();
  EXPECT_EQ(Read(file), "newer");
  EXPECT_LE(Look(kRootNode, "f").valid_for, kTtl);
}

// --- events ---

TEST_F(LeaseTest, ANewFileIsThere) {
  EXPECT_EQ(Look(kRootNode, "f").node, 0u);
  host_.Write("f", "x");
  EXPECT_THAT(TakeIn(), ElementsAre("CREATE f", "MODIFY f", "CLOSE_WRITE f"));
  EXPECT_THAT(TakeEntries(),
              testing::Contains(std::pair(kRootNode, std::string("f"))));
  const uint64_t work = Work();
  EXPECT_NE(Look(kRootNode, "f").node, 0u);
  EXPECT_EQ(Work(), work) << "the event had told all there is to know";
}

TEST_F(LeaseTest, ARemovedFileIsGone) {
  host_.Write("f", "x");
  const NodeId file = Find("f");
  host_.Remove("f");
  EXPECT_THAT(TakeIn(), ElementsAre("DELETE f"));
  const uint64_t work = Work();
  EXPECT_EQ(Look(kRootNode, "f").node, 0u);
  EXPECT_EQ(Work(), work);
  EXPECT_TRUE(fs_->tree().Look(file)->placeless);
}

TEST_F(LeaseTest, NewContentDropsThePagesAndOnlyThose) {
  host_.Write("f", "old");
  host_.Write("g", "g");
  const NodeId file = Find("f");
  Read(file);
  Read(Find("g"));
  TakePages();
  host_.Write("f", "new!");
  TakeIn();
  EXPECT_THAT(TakePages(), testing::Each(file));
  const uint64_t reads = Calls(Method::kRead);
  EXPECT_EQ(Read(file), "new!");
  EXPECT_EQ(Read(Find("g")), "g");
  EXPECT_EQ(Calls(Method::kRead), reads + 1);
}

// What was fetched for the first content has the version of the second.
TEST_F(LeaseTest, ALargeFileThatIsWrittenAgainInOneTickIsReadAnew) {
  constexpr off_t kPlace = 1 << 20;
  host_.Write("f", std::string(2 << 20, 'a'));
  const NodeId f = Find("f");
  const UniqueFd fd(open((host_ / "f").c_str(), O_WRONLY | O_CLOEXEC));
  for (int i = 0; i < 200; ++i) {
    const char byte = static_cast<char>('a' + i % 26);
    ASSERT_EQ(pwrite(fd.get(), &byte, 1, kPlace), 1);
    TakeIn();
    ASSERT_EQ(Read(f, kPlace, 1), std::string(1, byte)) << "write " << i;
  }
}

TEST_F(LeaseTest, ARenamedFileKeepsItsContent) {
  host_.MakeDir("a");
  host_.MakeDir("b");
  host_.Write("a/f", "bytes");
  const NodeId file = Find("a/f");
  Read(file);
  Find("b");
  Names(Find("b"));
  host_.Rename("a/f", "b/g");
  EXPECT_THAT(TakeIn(), ElementsAre("RENAME f > g"));
  const uint64_t work = Work();
  const uint64_t bytes = remote_->stats().bytes_read;
  EXPECT_EQ(Find("b/g"), file);
  EXPECT_EQ(Look(Find("a"), "f").node, 0u);
  EXPECT_EQ(Work(), work);
  // Its change time is another, so the host compares hashes once.
  EXPECT_EQ(Read(file), "bytes");
  EXPECT_EQ(Read(file), "bytes");
  EXPECT_EQ(Work(), work + 1);
  EXPECT_EQ(remote_->stats().bytes_read, bytes);
}

TEST_F(LeaseTest, AnAtomicSaveIsRaisedAsItHappenedAndReadOnce) {
  host_.Write("f", "old");
  Read(Find("f"));
  host_.Write("f.tmp", "newer");
  host_.Rename("f.tmp", "f");
  EXPECT_THAT(TakeIn(), ElementsAre("CREATE f.tmp", "MODIFY f.tmp",
                                    "CLOSE_WRITE f.tmp", "RENAME f.tmp > f"));
  const uint64_t reads = Calls(Method::kRead);
  EXPECT_EQ(Read(Find("f")), "newer");
  EXPECT_EQ(Calls(Method::kRead), reads + 1);
  EXPECT_EQ(Look(kRootNode, "f.tmp").node, 0u);
}

// The host looked when it was back already: nothing is at the other name, in
// either event. Its watchers are told, and no made-up file's.
TEST_F(LeaseTest, ARenameThereAndBackIsRaisedOfTheFileItself) {
  host_.Write("f", "x");
  const NodeView f = *fs_->tree().Look(Find("f"));
  const NodeView root = *fs_->tree().Look(kRootNode);
  std::vector<Event> events(4);
  for (size_t i = 0; i < events.size(); ++i) {
    events[i].kind = i % 2 == 0 ? EventKind::kMovedFrom : EventKind::kMovedTo;
    events[i].sequence = cursor_.sequence + i + 1;
    events[i].cookie = static_cast<uint32_t>(1 + i / 2);
    events[i].dir = root.attr.id;
    events[i].dir_attr = root.attr;
    const bool here = i == 0 || i == 3;
    events[i].name = here ? "f" : "t";
    if (here) events[i].entry = f.attr;
  }
  const auto raised = applier_->Apply(cursor_.journal_id, events);
  ASSERT_EQ(raised.size(), 2u);
  for (const Injection& in : raised) {
    EXPECT_EQ(in.kind, InjectionKind::kRename);
    EXPECT_EQ(in.object.id, f.attr.id) << in.name;
  }
}

TEST_F(LeaseTest, AShortLivedFileIsRaisedThoughItIsGone) {
  Names(kRootNode);
  host_.Write("t", "x");
  host_.Remove("t");
  EXPECT_THAT(TakeIn(),
              ElementsAre("CREATE t", "MODIFY t", "CLOSE_WRITE t", "DELETE t"));
  EXPECT_EQ(Look(kRootNode, "t").node, 0u);
}

TEST_F(LeaseTest, WhatTheKernelDoesNotHoldIsTakenInButNotRaised) {
  host_.MakeDir("d");
  const NodeId dir = Find("d");
  Names(dir);
  fs_->Forget(dir, 1);
  host_.Write("d/f", "x");
  EXPECT_THAT(TakeIn(), IsEmpty());
  const uint64_t work = Work();
  Find("d/f");
  EXPECT_EQ(Work(), work);
}

TEST_F(LeaseTest, ANewDirectoryIsWatchedBeforeItIsSeen) {
  Names(kRootNode);
  host_.MakeDir("d");
  host_.Write("d/f", "x");
  TakeIn();
  const NodeId dir = Find("d");
  EXPECT_THAT(Names(dir), ElementsAre("f"));
  host_.Write("d/g", "x");
  EXPECT_THAT(TakeIn(), testing::Contains("CREATE g"));
  EXPECT_THAT(Names(dir), UnorderedElementsAre("f", "g"));
}

// --- our own work ---

TEST_F(LeaseTest, OurOwnWorkComesBackAsNothing) {
  Names(kRootNode);
  const NodeId file = Create(kRootNode, "f", S_IFREG | 0644);
  ASSERT_TRUE(fs_->Write(*channel_, file, 0, "bytes", false).ok());
  ASSERT_TRUE(fs_->Rename(*channel_, kRootNode, "f", kRootNode, "g", 0).ok());
  SetAttrRequest mode{.mode = 0600};
  ASSERT_TRUE(fs_->SetAttr(*channel_, file, mode).ok());
  Create(kRootNode, "d", S_IFDIR | 0755);
  ASSERT_TRUE(fs_->Remove(*channel_, kRootNode, "d", true).ok());
  EXPECT_EQ(Read(file), "bytes");
  TakePages();
  TakeListings();
  TakeEntries();
  TakeAttrs();
  const uint64_t work = Work();
  EXPECT_THAT(TakeIn(), IsEmpty());
  EXPECT_THAT(TakePages(), IsEmpty());
  EXPECT_THAT(TakeListings(), IsEmpty());
  EXPECT_THAT(TakeEntries(), IsEmpty());
  EXPECT_THAT(TakeAttrs(), IsEmpty());
  EXPECT_EQ(Read(file), "bytes");
  EXPECT_THAT(Names(kRootNode), ElementsAre("g"));
  EXPECT_EQ(GetAttr(file).mode & 07777, 0600u);
  EXPECT_EQ(Work(), work) << "something was asked again";
}

// --- races ---

// The listing is asked for after the change and taken in before its event.
TEST_F(LeaseTest, AReplyThatOvertookAnEventIsRaisedOnceAndDropsNothing) {
  host_.Write("f", "x");
  EXPECT_THAT(Names(kRootNode), ElementsAre("f"));
  Read(Find("f"));
  TakeEntries();
  TakePages();
  EXPECT_THAT(TakeIn(), testing::Each(testing::HasSubstr(" f")));
  EXPECT_THAT(TakeEntries(), IsEmpty());
}

// --- epochs and restarts ---

TEST_F(LeaseTest, ARemountResumesAndAsksForNothing) {
  host_.MakeDir("d");
  host_.Write("d/f", "bytes");
  host_.Settle("d/f");
  Read(Find("d/f"));
  Names(Find("d"));
  TakeIn();
  Remount();
  EXPECT_FALSE(new_epoch_);
  const uint64_t work = Work();
  EXPECT_EQ(Read(Find("d/f")), "bytes");
  EXPECT_THAT(Names(Find("d")), ElementsAre("f"));
  EXPECT_EQ(Work(), work);
}

// By its time the event's state is older than what a listing told: neither is
// believed, nor by a client that began again before anybody had asked.
TEST_F(LeaseTest, WhatIsInDoubtIsAskedAboutAfterARemountToo) {
  host_.Write("f", "text");
  TakeIn();
  Names(kRootNode);
  Event event{.sequence = cursor_.sequence, .kind = EventKind::kAttributes};
  event.name = "f";
  event.entry = GetAttr(Find("f"));
  event.entry.ctime.sec -= 1;
  event.entry.mode ^= 0111;
  event.dir_attr = fs_->tree().Look(kRootNode)->attr;
  event.dir = event.dir_attr.id;
  applier_->Apply(cursor_.journal_id, {event});
  Remount();
  EXPECT_FALSE(new_epoch_);
  const uint64_t work = Work();
  GetAttr(Find("f"));
  EXPECT_EQ(Work(), work + 1);
}

TEST_F(LeaseTest, WhatChangedWhileTheClientWasAwayIsFetchedAndNothingElse) {
  for (const char* name : {"a", "b", "c"}) {
    host_.Write(name, "old");
    host_.Settle(name);
    TakeIn();
    Read(Find(name));
  }
  TakeIn();
  fs_.reset();
  host_.Write("b", "newer");
  host_.Write("n", "new");
  host_.Remove("c");
  Remount();
  const uint64_t work = Work();
  EXPECT_EQ(Read(Find("a")), "old");
  EXPECT_THAT(Names(kRootNode), UnorderedElementsAre("a", "b", "n"));
  EXPECT_EQ(Work(), work);
  EXPECT_EQ(Read(Find("b")), "newer");
  EXPECT_EQ(Read(Find("n")), "new");
  EXPECT_EQ(Work(), work + 1)
      << "the third file in a row comes with the second";
}

TEST_F(LeaseTest, AfterAHostRestartDirectoriesAreListedOnceAndBlocksStay) {
  host_.MakeDir("d");
  host_.Write("d/f", "bytes");
  host_.Settle("d/f");
  const NodeId dir = Find("d");
  Read(Find("d/f"));
  host_.Stop();
  host_.Write("d/g", "made while nobody watched");
  host_.Start();
  TakeIn();
  EXPECT_TRUE(new_epoch_);
  const uint64_t reads = Calls(Method::kRead);
  const uint64_t lists = Calls(Method::kList);
  EXPECT_THAT(Names(dir), UnorderedElementsAre("f", "g"));
  EXPECT_EQ(Read(Find("d/f")), "bytes");
  EXPECT_EQ(Calls(Method::kRead), reads);
  EXPECT_EQ(Calls(Method::kList), lists + 2) << "the root and d";
  EXPECT_THAT(TakeRaised(), ElementsAre("CREATE g", "CLOSE_WRITE g"));
  const uint64_t work = Work();
  Expire();
  EXPECT_THAT(Names(dir), UnorderedElementsAre("f", "g"));
  EXPECT_EQ(Work(), work) << "leased again";
}

TEST_F(LeaseTest, DifferencesAfterAnEpochAreDroppedFromTheKernelAndRaised) {
  for (const char* name : {"gone", "moved", "changed", "mode", "same"}) {
    host_.Write(name, "x");
    host_.Settle(name);
    TakeIn();
    Find(name);
  }
  EXPECT_EQ(Look(kRootNode, "new").node, 0u);
  const NodeId changed = Find("changed");
  host_.Stop();
  host_.Remove("gone");
  host_.Rename("moved", "there");
  host_.Write("changed", "more than before");
  host_.Write("new", "n");
  chmod((host_ / "mode").c_str(), 0600);
  host_.Start();
  TakeEntries();
  TakePages();
  TakeIn();
  Names(kRootNode);
  EXPECT_THAT(
      TakeRaised(),
      UnorderedElementsAre("RENAME moved > there", "DELETE gone", "CREATE new",
                           "CLOSE_WRITE new", "MODIFY changed",
                           "CLOSE_WRITE changed", "ATTRIB mode"));
  std::vector<std::string> names;
  for (const auto& [dir, name] : TakeEntries()) names.push_back(name);
  EXPECT_THAT(names, UnorderedElementsAre("gone", "moved", "there", "new"));
  EXPECT_THAT(TakePages(), testing::Contains(changed));
}

// The host keeps only so many events: its journal is the same, and the client
// has missed some all the same.
TEST_F(LeaseTest, AJournalThatHasMovedOnVoidsTheLeasesOfTheCacheToo) {
  host_.Write("f", "old");
  host_.Settle("f");
  TakeIn();
  Read(Find("f"));
  TakeIn();
  fs_.reset();
  host_.Write("f", "newer");
  // As if the events since then were gone.
  cache::Edit edit;
  edit.SetCursor({cursor_.journal_id, uint64_t{1} << 40});
  cache_->Commit(std::move(edit));
  Remount();
  EXPECT_TRUE(new_epoch_);
  EXPECT_EQ(Read(Find("f")), "newer");
}

TEST_F(LeaseTest, TakingEventsInTwiceChangesNothing) {
  host_.Write("f", "x");
  Names(kRootNode);
  TakeIn();
  const JournalPos before = cursor_;
  host_.Write("f", "xy");
  host_.Rename("f", "g");
  TakeIn();
  const Attr after = GetAttr(Find("g"));
  TakeEntries();
  // As after a crash before the cursor was on disk.
  cursor_ = before;
  TakeIn();
  EXPECT_EQ(GetAttr(Find("g")), after);
  EXPECT_THAT(Names(kRootNode), ElementsAre("g"));
}

}  // namespace
}  // namespace warmfs::fuse
