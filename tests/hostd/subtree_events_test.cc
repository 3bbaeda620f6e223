// What the stream tells of a whole tree becomes the events that clients know,
// whatever the system's words for it, and the clients' own is told as theirs.

#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "absl/time/clock.h"
#include "tests/hostd/subtree_fixture.h"

namespace warmfs::hostd {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using enum ChangeKind;

class SubtreeEventsTest : public SubtreeTest {};

// --- what is told ---

TEST_F(SubtreeEventsTest, OnlyWhatIsLeasedIsToldOf) {
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

TEST_F(SubtreeEventsTest, TheHalvesOfAMoveAreAPair) {
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

TEST_F(SubtreeEventsTest, AMoveFromOrToWhereNobodyLooksIsAHalf) {
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

TEST_F(SubtreeEventsTest, ARemovalAndACreationOfOneIdAreAMove) {
  MakeDir("d");
  Lease("");
  Lease("d");
  WriteHost("d/f", "");
  source_->Hold();
  source_->Queue(kRemoved, "f", FileId{1, 2});
  source_->Queue(kCreated, "d/f", FileId{1, 2});
  source_->Release();
  EXPECT_THAT(Told(), ElementsAre("moved_from f#", "moved_to d/f#"));
  source_->Queue(kRemoved, "x", FileId{1, 2});
  source_->Queue(kCreated, "d/x", FileId{1, 3});
  EXPECT_THAT(Told(), ElementsAre("deleted x", "created d/x"));
  source_->Queue(kRemoved, "y");
  source_->Queue(kCreated, "d/y");
  EXPECT_THAT(Told(), ElementsAre("deleted y", "created d/y"));
}

TEST_F(SubtreeEventsTest, TheRemovalOfWhatAMoveReplacesIsNotTold) {
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
TEST_F(SubtreeEventsTest, AMoveIntoHostdsOwnFolderIsARemoval) {
  Lease("");
  source_->Hold();
  source_->Queue(kMovedFrom, "f");
  source_->Queue({.kind = kHidden});
  source_->Queue({.kind = kHidden});
  source_->Queue(kMovedTo, "g");
  source_->Release();
  EXPECT_THAT(Told(), ElementsAre("deleted f", "created g"));
}

TEST_F(SubtreeEventsTest, AHalfWhoseOtherHalfIsLateWaitsForIt) {
  Lease("");
  WriteHost("b", "");
  std::thread late([&] { source_->Queue(kMovedTo, "b"); });
  source_->Queue(kMovedFrom, "a");
  late.join();
  // Either order is one of the stream's; in none of them is one half lost.
  EXPECT_THAT(Lines(), UnorderedElementsAre(testing::StartsWith("moved_from a"),
                                            testing::StartsWith("moved_to b")));
}

TEST_F(SubtreeEventsTest, OneLookServesAllChangesOfANameInOneBatch) {
  Lease("");
  source_->Hold();
  WriteHost("f", "1");
  for (int i = 0; i < 3; ++i) source_->Queue(kModified, "f");
  WriteHost("f", "123");
  source_->Release();
  for (const Event& event : Events()) EXPECT_EQ(event.entry.size, 3u);
}

TEST_F(SubtreeEventsTest, ADeletedTreeIsToldFromTheInsideOut) {
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

TEST_F(SubtreeEventsTest, ADirectoryIsModifiedByWhatHappensInIt) {
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

TEST_F(SubtreeEventsTest, AWrittenFileCountsAsClosedAtAFence) {
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

TEST_F(SubtreeEventsTest, AWrittenFileCountsAsClosedWhenItIsQuiet) {
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

TEST_F(SubtreeEventsTest, AWrittenFileIsClosedBeforeItsNameGoes) {
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

TEST_F(SubtreeEventsTest, ASourceThatTellsOfClosesIsBelieved) {
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

// --- own work ---

class SubtreeOwnWorkTest : public SubtreeTest {
 protected:
  void SetUp() override {
    SubtreeTest::SetUp();
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

}  // namespace
}  // namespace warmfs::hostd
