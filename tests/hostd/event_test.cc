// What the host does to a leased directory comes as the right events, in their
// order, with what is there now.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/hostd/watch_fixture.h"

namespace warmfs::hostd {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class EventTest : public EachSourceTest {};
INSTANTIATE_TEST_SUITE_P(Sources, EventTest,
                         testing::Values(SourceKind::kInotify,
                                         SourceKind::kFanotify),
                         [](const auto& info) { return NameOf(info.param); });

TEST_P(EventTest, AFileIsCreatedWrittenAndClosed) {
  Lease("");
  WriteHost("f", "hello");
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(Describe(events[0]), "created f");
  EXPECT_EQ(Describe(events[1]), "modified f");
  EXPECT_EQ(Describe(events[2]), "closed f");
  for (const Event& event : events) {
    EXPECT_EQ(event.dir, export_->info().root);
    EXPECT_EQ(event.entry.id, AttrOf(Host("f")).id);
    EXPECT_EQ(event.dir_attr.id, export_->info().root);
    EXPECT_GT(event.taken.sec, 0);
  }
  EXPECT_EQ(events[2].entry.size, 5u);
  EXPECT_EQ(events[0].sequence, 1u);
  EXPECT_EQ(events[2].sequence, 3u);
}

TEST_P(EventTest, ChangesOfAFile) {
  WriteHost("f", "hello");
  Lease("");
  {
    const UniqueFd fd(open(Host("f").c_str(), O_WRONLY | O_APPEND));
    ASSERT_EQ(write(fd.get(), "x", 1), 1);
    EXPECT_THAT(Lines(), ElementsAre("modified f"));
  }
  EXPECT_THAT(Lines(), ElementsAre("closed f"));
  ASSERT_EQ(truncate(Host("f").c_str(), 1), 0);
  EXPECT_THAT(Lines(), ElementsAre("modified f"));
  ASSERT_EQ(chmod(Host("f").c_str(), 0600), 0);
  EXPECT_THAT(Lines(), ElementsAre("attributes f"));
  ASSERT_EQ(utimensat(AT_FDCWD, Host("f").c_str(), nullptr, 0), 0);
  EXPECT_THAT(Lines(), ElementsAre("attributes f"));
  ReadHost("f");
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_P(EventTest, NamesComeAndGo) {
  MakeDir("d");
  Lease("");
  Lease("d");
  WriteHost("f", "");
  MakeLink("target", "s");
  fs::rename(Host("f"), Host("g"));
  fs::rename(Host("g"), Host("d/h"));
  fs::remove(Host("d/h"));
  const std::vector<Event> events = Events();
  std::vector<std::string> lines;
  for (const Event& event : events) lines.push_back(Describe(event));
  EXPECT_THAT(lines,
              ElementsAre("created f", "closed f", "created s", "moved_from f#",
                          "moved_to g#", "moved_from g#", "moved_to d/h#",
                          "deleted d/h"));
  EXPECT_EQ(events[2].target, "target");
  EXPECT_EQ(events[3].cookie, events[4].cookie);
  EXPECT_NE(events[4].cookie, events[5].cookie);
  EXPECT_TRUE(events[7].entry.id.IsNull());
}

TEST_P(EventTest, AReplacedFileIsTheOtherOneNow) {
  WriteHost("f", "old");
  Lease("");
  WriteHost("f.tmp", "new");
  Events();
  const FileId id = AttrOf(Host("f.tmp")).id;
  fs::rename(Host("f.tmp"), Host("f"));
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_TRUE(events[0].entry.id.IsNull());
  EXPECT_EQ(events[1].entry.id, id);
}

TEST_P(EventTest, MovesOutAndInAreHalves) {
  WriteHost("f", "x");
  Lease("");
  fs::rename(Host("f"), outside_ + "/f");
  EXPECT_THAT(Lines(), ElementsAre("moved_from f"));
  fs::rename(outside_ + "/f", Host("g"));
  EXPECT_THAT(Lines(), ElementsAre("moved_to g"));
}

TEST_P(EventTest, ADirectoryOfItsOwn) {
  MakeDir("d");
  Lease("");
  ASSERT_EQ(chmod(Host("d").c_str(), 0700), 0);
  EXPECT_THAT(Lines(), ElementsAre("attributes d/"));
  ASSERT_EQ(chmod(root_.c_str(), 0700), 0);
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(Describe(events[0]), "attributes ");
  EXPECT_EQ(events[0].dir_attr.mode & 07777, 0700u);
  fs::remove(Host("d"));
  EXPECT_THAT(Lines(), ElementsAre("deleted d/"));
  EXPECT_EQ(Next(seen_).watches, 1u);
}

// The kernel calls it modified when nothing but the mtime is set.
TEST_P(EventTest, TheTimeOfADirectoryIsSet) {
  MakeDir("d");
  Lease("");
  const timespec times[] = {{0, UTIME_OMIT}, {1, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, Host("d").c_str(), times, 0), 0);
  EXPECT_THAT(Lines(), ElementsAre("modified d/"));
}

TEST_P(EventTest, AnEmptyDirectoryIsReplaced) {
  MakeDir("d");
  MakeDir("g");
  Lease("");
  fs::rename(Host("d"), Host("g"));
  EXPECT_THAT(Lines(), ElementsAre("moved_from d/#", "moved_to g/#"));
}

TEST_P(EventTest, WhatHappensInAChildThatWasNeverListed) {
  MakeDir("d");
  Lease("");
  WriteHost("d/f", "x");
  EXPECT_THAT(Lines(), ElementsAre("created ?f", "modified ?f", "closed ?f"));
}

TEST_P(EventTest, WithoutALeaseNothingIsWatched) {
  MakeDir("d");
  EXPECT_FALSE(List("", false).leased);
  WriteHost("d/f", "x");
  EXPECT_THAT(Lines(), IsEmpty());
  EXPECT_EQ(Next(seen_).watches, 0u);
}

TEST_P(EventTest, ARenamedDirectoryKeepsItsWatch) {
  MakeDir("a");
  Lease("");
  Lease("a");
  fs::rename(Host("a"), Host("b"));
  WriteHost("b/f", "");
  EXPECT_THAT(Lines(), ElementsAre("moved_from a/#", "moved_to b/#",
                                   "created a/f", "closed a/f"));
}

TEST_P(EventTest, ADirectoryMovedOutIsNotFollowed) {
  MakeDir("a");
  MakeDir("a/b");
  Lease("");
  Lease("a");
  fs::rename(Host("a"), outside_ + "/a");
  EXPECT_THAT(Lines(), testing::UnorderedElementsAre(
                           "moved_from a/", "revoked a/", "revoked ?"));
  std::ofstream(outside_ + "/a/b/secret") << "x";
  EXPECT_THAT(Lines(), IsEmpty());
  EXPECT_EQ(Next(seen_).watches, 1u);
}

}  // namespace
}  // namespace warmfs::hostd
