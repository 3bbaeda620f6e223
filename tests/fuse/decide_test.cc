// What an event means, given what is known: the table of fuse/decide.h.

#include "fuse/decide.h"

#include <gtest/gtest.h>

#include "tests/fuse/tree_values.h"

namespace warmfs::fuse {
namespace {

using cache::Presence;
using Name = Decision::Name;

constexpr uint64_t kDir = 1, kFile = 10, kOther = 11;

// An event of the file "f" in the directory, as the host finds them now.
Event Of(EventKind kind, const Attr& dir, const Attr& entry) {
  Event e{.sequence = 5, .kind = kind, .dir = DirAttr(kDir).id, .name = "f"};
  e.dir_attr = dir;
  e.entry = entry;
  return e;
}

// The kernel holds the directory, which is as of generation 1, without "f".
Known WithoutFile() {
  return {.dir_held = true,
          .dir = KnownAttr{DirAttr(kDir)},
          .names_by_reply = true,
          .name = Presence::kAbsent};
}

Known WithFile(const Attr& file, bool told_by_event = false) {
  Known known = WithoutFile();
  known.name = Presence::kPresent;
  known.old = file;
  known.entry_held = true;
  known.entry = KnownAttr{file, told_by_event};
  return known;
}

Event Own(Event e) {
  e.own = true;
  return e;
}

// --- names ---

TEST(DecideTest, ANewFileIsTakenInAndRaised) {
  const Decision d =
      Decide(WithoutFile(),
             Of(EventKind::kCreated, DirAttr(kDir, 2), FileAttr(kFile)));
  EXPECT_EQ(d.name, Name::kSet);
  EXPECT_TRUE(d.take_entry);
  EXPECT_TRUE(d.take_dir);
  EXPECT_TRUE(d.drop_name);  // the kernel may know that it is not there
  EXPECT_EQ(d.drop_dir, Drop::kAttrAndPages);
  EXPECT_TRUE(d.raise);
  EXPECT_FALSE(d.doubt_names);
}

TEST(DecideTest, AReplyThatOvertookTheEventLeavesNothingButTheRaising) {
  Known known = WithFile(FileAttr(kFile));
  known.dir = KnownAttr{DirAttr(kDir, 2)};
  const Decision d =
      Decide(known, Of(EventKind::kCreated, DirAttr(kDir, 2), FileAttr(kFile)));
  EXPECT_FALSE(d.Changes());
  EXPECT_FALSE(d.drop_name);
  EXPECT_TRUE(d.raise);
}

TEST(DecideTest, AnEchoChangesNothingAndIsNotRaised) {
  Known known = WithFile(FileAttr(kFile));
  known.dir = KnownAttr{DirAttr(kDir, 2)};
  const Decision d = Decide(
      known, Own(Of(EventKind::kCreated, DirAttr(kDir, 2), FileAttr(kFile))));
  EXPECT_EQ(d, Decision());
}

TEST(DecideTest, ADeletedFileIsForgotten) {
  const Decision d = Decide(WithFile(FileAttr(kFile)),
                            Of(EventKind::kDeleted, DirAttr(kDir, 2), Attr()));
  EXPECT_EQ(d.name, Name::kRemove);
  EXPECT_TRUE(d.forget_old);
  EXPECT_TRUE(d.drop_name);
  EXPECT_TRUE(d.raise);
}

TEST(DecideTest, AFileOfOtherNamesIsNotForgotten) {
  Attr file = FileAttr(kFile);
  file.nlink = 2;
  const Decision d =
      Decide(WithFile(file), Of(EventKind::kDeleted, DirAttr(kDir, 2), Attr()));
  EXPECT_EQ(d.name, Name::kRemove);
  EXPECT_FALSE(d.forget_old);
}

TEST(DecideTest, ADirectoryIsForgottenWhateverItsLinks) {
  Known known = WithFile(DirAttr(kFile));
  known.old->nlink = 5;
  const Decision d =
      Decide(known, Of(EventKind::kDeleted, DirAttr(kDir, 2), Attr()));
  EXPECT_TRUE(d.forget_old);
}

TEST(DecideTest, AReplacedFileIsForgottenForTheNewOne) {
  const Decision d =
      Decide(WithFile(FileAttr(kFile)),
             Of(EventKind::kMovedTo, DirAttr(kDir, 2), FileAttr(kOther)));
  EXPECT_EQ(d.name, Name::kSet);
  EXPECT_TRUE(d.forget_old);
}

TEST(DecideTest, WhatIsNotKnownInTheCacheMayBeKnownToTheKernel) {
  Known known = WithoutFile();
  known.name = Presence::kUnknown;
  const Decision d =
      Decide(known, Of(EventKind::kDeleted, DirAttr(kDir, 2), Attr()));
  EXPECT_TRUE(d.drop_name);
}

// Our own rename has answered already; the echo of the create before it tells
// what was there in between.
TEST(DecideTest, AnOldEchoOfANameIsIgnored) {
  Known known = WithoutFile();
  known.dir = KnownAttr{DirAttr(kDir, 3)};
  const Decision d = Decide(
      known, Own(Of(EventKind::kCreated, DirAttr(kDir, 2), FileAttr(kFile))));
  EXPECT_FALSE(d.Changes());
}

TEST(DecideTest, AnOlderStateOfSomebodyElseIsNotBelievedButAskedAbout) {
  Known known = WithoutFile();
  known.dir = KnownAttr{DirAttr(kDir, 3)};
  const Decision d =
      Decide(known, Of(EventKind::kCreated, DirAttr(kDir, 2), FileAttr(kFile)));
  EXPECT_EQ(d.name, Name::kKeep);
  EXPECT_TRUE(d.doubt_names);
  EXPECT_TRUE(d.drop_name);
  EXPECT_TRUE(d.raise);
}

// Two changes within one tick of the host's clock cannot be told apart.
TEST(DecideTest, AContradictionUnderOneChangeTimeIsAskedAboutWhileRacy) {
  Attr dir = DirAttr(kDir);
  const Event sure = Of(EventKind::kDeleted, dir, Attr());
  EXPECT_EQ(Decide(WithFile(FileAttr(kFile)), sure).name, Name::kRemove);
  dir.racy = true;
  const Event unsure = Of(EventKind::kDeleted, dir, Attr());
  const Decision d = Decide(WithFile(FileAttr(kFile)), unsure);
  EXPECT_EQ(d.name, Name::kKeep);
  EXPECT_TRUE(d.doubt_names);
}

// One look at the directory serves a whole burst, so its attributes stay.
// Several events are looked at together: all of them find the last state.
TEST(DecideTest, AStateThatAnEarlierEventToldIsCertainForTheNext) {
  Attr dir = DirAttr(kDir, 2);
  dir.racy = true;
  Known known = WithFile(FileAttr(kFile));
  known.dir = KnownAttr{dir, /*told_by_event=*/true};
  const Decision d =
      Decide(known, Of(EventKind::kMovedTo, dir, FileAttr(kOther)));
  EXPECT_EQ(d.name, Name::kSet);
  EXPECT_TRUE(d.forget_old);
  EXPECT_FALSE(d.doubt_names);
}

TEST(DecideTest, EventsAmongThemselvesAreInOrder) {
  Known known = WithoutFile();
  Attr dir = DirAttr(kDir, 2);
  dir.racy = true;
  known.dir = KnownAttr{dir, /*told_by_event=*/true};
  known.names_by_reply = false;
  Attr older = DirAttr(kDir, 1);
  for (const Attr& now : {dir, older, DirAttr(kDir, 3)}) {
    const Decision d =
        Decide(known, Of(EventKind::kCreated, now, FileAttr(kFile)));
    EXPECT_EQ(d.name, Name::kSet);
    EXPECT_FALSE(d.doubt_names);
  }
}

TEST(DecideTest, OfADirectoryThatIsGoneEveryNameIs) {
  Event e = Of(EventKind::kDeleted, Attr(), Attr());
  const Decision d = Decide(WithFile(FileAttr(kFile)), e);
  EXPECT_EQ(d.name, Name::kRemove);
}

// --- attributes and content ---

TEST(DecideTest, NewContentGoesWithItsPages) {
  const Decision d =
      Decide(WithFile(FileAttr(kFile)),
             Of(EventKind::kModified, DirAttr(kDir), FileAttr(kFile, 2)));
  EXPECT_TRUE(d.take_entry);
  EXPECT_EQ(d.drop_entry, Drop::kAttrAndPages);
  EXPECT_EQ(d.name, Name::kKeep);
  EXPECT_EQ(d.drop_dir, Drop::kNothing);
  EXPECT_TRUE(d.raise);
}

TEST(DecideTest, ANewModeLeavesThePages) {
  Attr after = FileAttr(kFile);
  after.mode ^= 0111;
  after.ctime.nsec += 1;
  const Decision d = Decide(WithFile(FileAttr(kFile)),
                            Of(EventKind::kAttributes, DirAttr(kDir), after));
  EXPECT_TRUE(d.take_entry);
  EXPECT_EQ(d.drop_entry, Drop::kAttr);
}

TEST(DecideTest, ASecondContentOfOneTickHasNoVersionOfItsOwn) {
  Attr file = FileAttr(kFile);
  file.racy = true;
  const Decision d =
      Decide(WithFile(file), Of(EventKind::kModified, DirAttr(kDir), file));
  EXPECT_TRUE(d.drop_blocks);
  EXPECT_EQ(d.drop_entry, Drop::kAttrAndPages);
  // Our own write: its reply said all there is to say.
  EXPECT_EQ(Decide(WithFile(file),
                   Own(Of(EventKind::kModified, DirAttr(kDir), file))),
            Decision());
}

// The write's time is that of its beginning, and it may have been read since.
TEST(DecideTest, WhatWasReadDuringALongWriteIsDroppedAtItsEnd) {
  const Decision d =
      Decide(WithFile(FileAttr(kFile)),
             Of(EventKind::kModified, DirAttr(kDir), FileAttr(kFile)));
  EXPECT_TRUE(d.drop_blocks);
  EXPECT_EQ(d.drop_entry, Drop::kAttrAndPages);
}

TEST(DecideTest, TheCloseOfAFileThatIsKnownIsOnlyRaised) {
  const Decision d =
      Decide(WithFile(FileAttr(kFile)),
             Of(EventKind::kClosedWrite, DirAttr(kDir), FileAttr(kFile)));
  EXPECT_FALSE(d.Changes());
  EXPECT_EQ(d.drop_entry, Drop::kNothing);
  EXPECT_TRUE(d.raise);
}

TEST(DecideTest, AnOldEchoOfAWriteIsIgnored) {
  const Decision d =
      Decide(WithFile(FileAttr(kFile, 3)),
             Own(Of(EventKind::kModified, DirAttr(kDir), FileAttr(kFile, 2))));
  EXPECT_EQ(d, Decision());
}

// inotify merges two writes in a row: the echo may be somebody else's, too.
TEST(DecideTest, AnEchoOfTheSameTickIsIgnoredToo) {
  const Attr now = FileAttr(kFile, 2);
  Attr then = now;
  then.size = 1;
  for (const bool held : {true, false}) {
    Known known = WithFile(now);
    known.entry_held = held;
    EXPECT_FALSE(
        Decide(known, Own(Of(EventKind::kModified, DirAttr(kDir), then)))
            .Changes());
  }
}

TEST(DecideTest, AnEchoWithANewerStateIsSomebodyElsesWriteToo) {
  const Decision d =
      Decide(WithFile(FileAttr(kFile, 2)),
             Own(Of(EventKind::kModified, DirAttr(kDir), FileAttr(kFile, 3))));
  EXPECT_TRUE(d.take_entry);
  EXPECT_EQ(d.drop_entry, Drop::kAttrAndPages);
  EXPECT_FALSE(d.raise);
}

TEST(DecideTest, AnOlderContentOfSomebodyElseIsAskedAbout) {
  const Decision d =
      Decide(WithFile(FileAttr(kFile, 3)),
             Of(EventKind::kModified, DirAttr(kDir), FileAttr(kFile, 2)));
  EXPECT_FALSE(d.take_entry);
  EXPECT_TRUE(d.doubt_entry);
  EXPECT_EQ(d.drop_entry, Drop::kAttrAndPages);
  EXPECT_TRUE(d.drop_name);  // for calls that go by the kernel's size
}

// A listing that the host made later came first. No node is there to be asked
// about, so the directory is.
TEST(DecideTest,
     AnOlderStateOfAFileThatTheKernelDoesNotHoldDoubtsItsDirectory) {
  Known known = WithFile(FileAttr(kFile, 2));
  known.entry_held = false;
  const Decision d =
      Decide(known, Of(EventKind::kCreated, DirAttr(kDir), FileAttr(kFile, 1)));
  EXPECT_FALSE(d.take_entry);
  EXPECT_TRUE(d.doubt_names);
  EXPECT_TRUE(
      Decide(known, Of(EventKind::kModified, DirAttr(kDir), FileAttr(kFile, 3)))
          .take_entry);
}

TEST(DecideTest, AfterAnotherEventALaterOneIsNewerWhateverTheClock) {
  const Decision d =
      Decide(WithFile(FileAttr(kFile, 3), /*told_by_event=*/true),
             Of(EventKind::kModified, DirAttr(kDir), FileAttr(kFile, 2)));
  EXPECT_TRUE(d.take_entry);
  EXPECT_FALSE(d.doubt_entry);
}

TEST(DecideTest, AFileOfSeveralLinksIsToldOfWithoutAName) {
  Event e = Of(EventKind::kModified, Attr(), FileAttr(kFile, 2));
  e.dir = FileId();
  e.name.clear();
  const Decision d = Decide(WithFile(FileAttr(kFile)), e);
  EXPECT_TRUE(d.take_entry);
  EXPECT_TRUE(d.raise);
}

// --- what the kernel does not hold ---

TEST(DecideTest, NothingIsRaisedOrDroppedForWhatTheKernelDoesNotHold) {
  Known known = WithFile(FileAttr(kFile));
  known.dir_held = known.entry_held = false;
  for (const EventKind kind :
       {EventKind::kDeleted, EventKind::kModified, EventKind::kMovedFrom}) {
    const Attr entry =
        kind == EventKind::kModified ? FileAttr(kFile, 2) : Attr();
    const Decision d = Decide(known, Of(kind, DirAttr(kDir, 2), entry));
    EXPECT_TRUE(d.Changes());
    EXPECT_FALSE(d.raise);
    EXPECT_FALSE(d.drop_name);
    EXPECT_EQ(d.drop_dir, Drop::kNothing);
    EXPECT_EQ(d.drop_entry, Drop::kNothing);
  }
}

TEST(DecideTest, ADirectoryThatIsToBeListedAgainIsNotRaisedFor) {
  Known known = WithoutFile();
  known.dir_missed_events = true;
  const Decision d =
      Decide(known, Of(EventKind::kCreated, DirAttr(kDir, 2), FileAttr(kFile)));
  EXPECT_EQ(d.name, Name::kSet);
  EXPECT_FALSE(d.raise);
}

// Seeing an event twice, as after a crash, changes nothing the second time; but
// that content is fetched once more.
TEST(DecideTest, AppliedTwiceIsAppliedOnce) {
  const Event e =
      Of(EventKind::kAttributes, DirAttr(kDir, 2), FileAttr(kFile, 2));
  ASSERT_TRUE(Decide(WithFile(FileAttr(kFile)), e).Changes());
  Known after = WithFile(FileAttr(kFile, 2), true);
  after.dir = KnownAttr{DirAttr(kDir, 2), true};
  EXPECT_FALSE(Decide(after, e).Changes());
}

}  // namespace
}  // namespace warmfs::fuse
