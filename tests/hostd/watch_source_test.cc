// The contract of every watch source, and what those of a Linux host tell of
// real files. Where they differ, it is declared: WatchSource::Ways.

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "hostd/posix/fanotify_source.h"
#include "tests/fakes/scripted_watch_source.h"
#include "tests/hostd/sources.h"
#include "tests/support/temp_dir.h"

namespace warmfs::hostd {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

// A source, and how a test makes it tell of a change of attributes.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual WatchSource& source() = 0;
  virtual void Change(const std::string& dir, const std::string& name) = 0;
};

// One of the host's own.
class HostSubject final : public Subject {
 public:
  HostSubject(SourceKind kind, const std::string& root)
      : source_(*MakeSource(kind, root)) {}
  WatchSource& source() override { return *source_; }
  void Change(const std::string& dir, const std::string& name) override {
    // Never twice the same, or the kernel makes one event of them.
    const mode_t mode = 0600 + (++changes_ % 8);
    EXPECT_EQ(chmod((dir + '/' + name).c_str(), mode), 0);
  }

 private:
  std::unique_ptr<WatchSource> source_;
  int changes_ = 0;
};

class ScriptedSubject final : public Subject {
 public:
  WatchSource& source() override { return source_; }
  void Change(const std::string& dir, const std::string& name) override {
    source_.Queue(dir, IN_ATTRIB, name);
  }

 private:
  ScriptedWatchSource source_;
};

// Null: the scripted one.
using Param = std::optional<SourceKind>;

class WatchSourceTest : public testing::TestWithParam<Param> {
 protected:
  void SetUp() override {
    if (!GetParam()) {
      subject_ = std::make_unique<ScriptedSubject>();
    } else if (const std::string why = WhyNot(*GetParam()); why.empty()) {
      subject_ = std::make_unique<HostSubject>(*GetParam(), base_ / "");
    } else {
      GTEST_SKIP() << why;
    }
    for (const char* file : {"a", "b"}) {
      EXPECT_TRUE(UniqueFd(creat((base_ / file).c_str(), 0600)));
    }
  }

  WatchSource& source() { return subject_->source(); }
  void Change(const std::string& name) { subject_->Change(base_.path(), name); }
  int Watch() {
    const UniqueFd fd(open(base_.path().c_str(), O_PATH | O_CLOEXEC));
    int number = -1;
    EXPECT_EQ(source().Add(fd.get(), true, &number), 0);
    return number;
  }
  std::vector<RawEvent> Take() {
    std::vector<RawEvent> events;
    source().Take(&events);
    return events;
  }

  const TempDir base_;
  std::unique_ptr<Subject> subject_;
};

TEST_P(WatchSourceTest, TheSameObjectHasTheSameNumber) {
  const int number = Watch();
  EXPECT_EQ(Watch(), number);
}

TEST_P(WatchSourceTest, AChangeIsQueuedByTheTimeItIsMade) {
  const int number = Watch();
  Change("a");
  const std::vector<RawEvent> events = Take();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].watch, number);
  EXPECT_EQ(events[0].mask, uint32_t{IN_ATTRIB});
  EXPECT_EQ(events[0].name, "a");
  EXPECT_TRUE(Take().empty()) << "each is taken once";
}

TEST_P(WatchSourceTest, EventsComeInTheirOrder) {
  Watch();
  for (int i = 0; i < 100; ++i) {
    Change(i % 2 == 0 ? "a" : "b");
    if (source().ways().merges) source().Mark();
  }
  const std::vector<RawEvent> events = Take();
  ASSERT_EQ(events.size(), 100u);
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(events[i].name, i % 2 == 0 ? "a" : "b");
    EXPECT_GT(events[i].end, i > 0 ? events[i - 1].end : 0);
  }
}

TEST_P(WatchSourceTest, BetweenMarksAMergingSourceTellsEachNameOnce) {
  Watch();
  for (int i = 0; i < 100; ++i) Change(i % 2 == 0 ? "a" : "b");
  const bool merges = source().ways().merges;
  EXPECT_EQ(Take().size(), merges ? 2u : 100u);
}

TEST_P(WatchSourceTest, AMarkIsBehindWhatHasHappenedAndNoFurther) {
  Watch();
  EXPECT_EQ(source().Mark(), source().Mark());
  Change("a");
  const uint64_t between = source().Mark();
  Change("b");
  const uint64_t after = source().Mark();
  const std::vector<RawEvent> events = Take();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].end, between);
  EXPECT_EQ(events[1].end, after);
  EXPECT_EQ(source().Mark(), after) << "taking does not move it";
}

TEST_P(WatchSourceTest, ARemovedWatchSaysSoAndItsNumberIsNotGivenAgain) {
  const int number = Watch();
  Change("a");
  source().Remove(number);
  Change("b");
  const std::vector<RawEvent> events = Take();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].name, "a") << "what was queued stays";
  EXPECT_EQ(events[1].mask, uint32_t{IN_IGNORED});
  EXPECT_EQ(events[1].watch, number);
  EXPECT_NE(Watch(), number);
}

TEST_P(WatchSourceTest, WaitEndsByAnEventByWakeAndByTime) {
  Watch();
  Change("a");
  source().Wait(absl::InfiniteDuration());
  EXPECT_EQ(Take().size(), 1u);
  std::thread waker([&] { source().Wake(); });
  source().Wait(absl::InfiniteDuration());
  waker.join();
  const absl::Time start = absl::Now();
  source().Wait(absl::Milliseconds(20));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(19));
}

// Marks are taken by threads that change something, while one takes events:
// each finds its own event before its mark.
TEST_P(WatchSourceTest, MarksAreRightWhileEventsAreTaken) {
  constexpr int kChanges = 2000;
  Watch();
  std::atomic<bool> done = false;
  std::vector<RawEvent> taken;
  std::thread taker([&] {
    while (!done) source().Take(&taken);
    source().Take(&taken);
  });
  std::vector<uint64_t> marks;
  for (int i = 0; i < kChanges; ++i) {
    Change(i % 2 == 0 ? "a" : "b");
    marks.push_back(source().Mark());
  }
  done = true;
  taker.join();
  ASSERT_EQ(taken.size(), size_t{kChanges});
  for (size_t i = 0; i < kChanges; ++i) EXPECT_EQ(taken[i].end, marks[i]);
}

INSTANTIATE_TEST_SUITE_P(Sources, WatchSourceTest,
                         testing::Values(SourceKind::kInotify,
                                         SourceKind::kFanotify, std::nullopt),
                         [](const auto& info) {
                           return info.param ? NameOf(*info.param) : "Scripted";
                         });

// --- what is done to real files ---

class HostSourceTest : public testing::TestWithParam<SourceKind> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNot(GetParam()); !why.empty()) {
      GTEST_SKIP() << why;
    }
    source_ = *MakeSource(GetParam(), base_ / "");
  }

  std::string Path(const std::string& name) const { return base_ / name; }
  int Watch(const std::string& name, bool directory = true) {
    const UniqueFd fd(open(Path(name).c_str(), O_PATH | O_CLOEXEC));
    int number = -1;
    EXPECT_EQ(source_->Add(fd.get(), directory, &number), 0);
    return number;
  }
  void Write(const std::string& name) {
    const UniqueFd fd(
        open(Path(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    EXPECT_EQ(write(fd.get(), "x", 1), 1);
  }
  // "watch mask name" of each event.
  std::vector<std::string> Lines() {
    static const std::map<uint32_t, std::string> kKinds = {
        {IN_CREATE, "create"},     {IN_DELETE, "delete"},
        {IN_MODIFY, "modify"},     {IN_ATTRIB, "attrib"},
        {IN_CLOSE_WRITE, "close"}, {IN_MOVED_FROM, "from"},
        {IN_MOVED_TO, "to"},       {IN_IGNORED, "ignored"}};
    std::vector<RawEvent> events;
    source_->Take(&events);
    std::vector<std::string> lines;
    for (const RawEvent& event : events) {
      const auto kind = kKinds.find(event.mask & ~uint32_t{IN_ISDIR});
      lines.push_back(std::to_string(event.watch) + ' ' +
                      (kind == kKinds.end() ? "?" : kind->second) +
                      ((event.mask & IN_ISDIR) != 0 ? "/ " : " ") + event.name);
    }
    return lines;
  }

  const TempDir base_;
  std::unique_ptr<WatchSource> source_;
};

INSTANTIATE_TEST_SUITE_P(Sources, HostSourceTest,
                         testing::Values(SourceKind::kInotify,
                                         SourceKind::kFanotify),
                         [](const auto& info) { return NameOf(info.param); });

TEST_P(HostSourceTest, AnObjectIsWatchedByDescriptorWhateverItsPath) {
  ASSERT_EQ(mkdir(Path("a").c_str(), 0700), 0);
  const UniqueFd fd(open(Path("a").c_str(), O_PATH | O_CLOEXEC));
  ASSERT_EQ(rename(Path("a").c_str(), Path("b").c_str()), 0);
  ASSERT_EQ(mkdir(Path("a").c_str(), 0700), 0);
  int number = -1;
  ASSERT_EQ(source_->Add(fd.get(), true, &number), 0);
  ASSERT_EQ(mkdir(Path("b/c").c_str(), 0700), 0);
  ASSERT_EQ(mkdir(Path("a/d").c_str(), 0700), 0);
  EXPECT_THAT(Lines(), ElementsAre("1 create/ c"));
}

TEST_P(HostSourceTest, AnErrorIsAnErrno) {
  int number = -1;
  EXPECT_THAT(source_->Add(-1, true, &number), AnyOf(ENOENT, EBADF));
}

TEST_P(HostSourceTest, AFileIsCreatedWrittenClosedAndDeleted) {
  Watch("");
  Write("f");
  ASSERT_EQ(unlink(Path("f").c_str()), 0);
  EXPECT_THAT(Lines(), ElementsAre("1 create f", "1 modify f", "1 close f",
                                   "1 delete f"));
}

// The same inode comes back under the name that it had left.
TEST_P(HostSourceTest, ANameThatComesBackIsThereInTheEnd) {
  Write("f");
  Watch("");
  ASSERT_EQ(link(Path("f").c_str(), Path("g").c_str()), 0);
  source_->Mark();
  ASSERT_EQ(unlink(Path("f").c_str()), 0);
  ASSERT_EQ(link(Path("g").c_str(), Path("f").c_str()), 0);
  EXPECT_THAT(Lines(), ElementsAre("1 create g", "1 delete f", "1 create f"));
}

TEST_P(HostSourceTest, AFileMadeAnewIsAnother) {
  Watch("");
  for (int i = 0; i < 2; ++i) {
    Write("f");
    ASSERT_EQ(unlink(Path("f").c_str()), 0);
  }
  EXPECT_THAT(Lines(), ElementsAre("1 create f", "1 modify f", "1 close f",
                                   "1 delete f", "1 create f", "1 modify f",
                                   "1 close f", "1 delete f"));
}

TEST_P(HostSourceTest, WhatIsDoneByANameThatIsGoneIsNotTold) {
  Write("f");
  Write("g");
  Watch("");
  const UniqueFd f(open(Path("f").c_str(), O_WRONLY | O_CLOEXEC));
  UniqueFd g(open(Path("g").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(unlink(Path("f").c_str()), 0);
  Write("h");
  ASSERT_EQ(rename(Path("h").c_str(), Path("g").c_str()), 0);
  source_->Mark();
  ASSERT_EQ(write(f.get(), "x", 1), 1);
  ASSERT_EQ(write(g.get(), "x", 1), 1);
  g = UniqueFd();
  Write("g");
  EXPECT_THAT(Lines(),
              ElementsAre("1 delete f", "1 create h", "1 modify h", "1 close h",
                          "1 from h", "1 to g", "1 modify g", "1 close g"));
}

// Whatever the kernel merges: a name that leads to a file tells of it.
TEST_P(HostSourceTest, WhatIsThereIsToldHoweverItCameThere) {
  Write("a");
  Write("x");
  Watch("");
  ASSERT_EQ(rename(Path("a").c_str(), Path("b").c_str()), 0);
  ASSERT_EQ(rename(Path("b").c_str(), Path("a").c_str()), 0);
  ASSERT_EQ(rename(Path("a").c_str(), Path("b").c_str()), 0);
  Lines();
  ASSERT_EQ(truncate(Path("b").c_str(), 0), 0);
  EXPECT_THAT(Lines(), ElementsAre("1 modify b"));
  ASSERT_EQ(renameat2(AT_FDCWD, Path("b").c_str(), AT_FDCWD, Path("x").c_str(),
                      RENAME_EXCHANGE),
            0);
  Lines();
  ASSERT_EQ(truncate(Path("b").c_str(), 0), 0);
  ASSERT_EQ(truncate(Path("x").c_str(), 0), 0);
  EXPECT_THAT(Lines(), ElementsAre("1 modify b", "1 modify x"));
}

TEST_P(HostSourceTest, BothHalvesOfAMoveHaveOneCookie) {
  ASSERT_EQ(mkdir(Path("d").c_str(), 0700), 0);
  Write("f");
  Watch("");
  Watch("d");
  ASSERT_EQ(rename(Path("f").c_str(), Path("d/g").c_str()), 0);
  ASSERT_EQ(rename(Path("d/g").c_str(), Path("f").c_str()), 0);
  std::vector<RawEvent> events;
  source_->Take(&events);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_NE(events[0].cookie, 0u);
  EXPECT_EQ(events[0].cookie, events[1].cookie);
  EXPECT_NE(events[1].cookie, events[2].cookie);
  EXPECT_EQ(events[2].cookie, events[3].cookie);
  EXPECT_EQ(events[1].watch, 2);
  EXPECT_EQ(events[1].name, "g");
}

// By name, and by the watch of its own.
TEST_P(HostSourceTest, AFileWithAWatchOfItsOwnIsToldTwice) {
  Write("f");
  Watch("");
  Watch("f", /*directory=*/false);
  ASSERT_EQ(truncate(Path("f").c_str(), 0), 0);
  EXPECT_THAT(Lines(), ElementsAre("1 modify f", "2 modify "));
  ASSERT_EQ(link(Path("f").c_str(), Path("g").c_str()), 0);
  EXPECT_THAT(Lines(), ElementsAre("2 attrib ", "1 create g"));
}

TEST_P(HostSourceTest, ADirectorysAttributesAreToldAsDeclared) {
  ASSERT_EQ(mkdir(Path("d").c_str(), 0700), 0);
  Watch("");
  Watch("d");
  ASSERT_EQ(chmod(Path("d").c_str(), 0755), 0);
  if (source_->ways().tells_parents) {
    EXPECT_THAT(Lines(), ElementsAre("1 attrib/ d", "2 attrib/ "));
  } else {
    EXPECT_THAT(Lines(), ElementsAre("2 attrib/ "));
  }
}

// There was no time to watch it.
TEST_P(HostSourceTest, ANewDirectorysAttributesAreToldByItsName) {
  Watch("");
  ASSERT_EQ(mkdir(Path("d").c_str(), 0700), 0);
  ASSERT_EQ(chmod(Path("d").c_str(), 0755), 0);
  EXPECT_THAT(Lines(), ElementsAre("1 create/ d", "1 attrib/ d"));
}

TEST_P(HostSourceTest, WhatWasDoneBeforeTheWatchIsNotTold) {
  Watch("");
  ASSERT_EQ(mkdir(Path("d").c_str(), 0700), 0);
  Write("d/f");
  Watch("d");
  Write("d/f");
  EXPECT_THAT(Lines(), ElementsAre("1 create/ d", "2 modify f", "2 close f"));
}

// One mounted beneath another; what it told before it was unmounted stays, and
// when it is mounted again it is watched again.
TEST_P(HostSourceTest, AFileSystemBeneathIsWatchedToo) {
  ASSERT_EQ(mkdir(Path("m").c_str(), 0700), 0);
  for (int round = 1; round <= 2; ++round) {
    if (mount("none", Path("m").c_str(), "tmpfs", 0, nullptr) != 0) {
      GTEST_SKIP() << "it may not mount: " << strerror(errno);
    }
    const std::string number = std::to_string(Watch("m"));
    Write("m/f");
    source_->Remove(round);
    EXPECT_EQ(umount(Path("m").c_str()), 0) << strerror(errno);
    EXPECT_THAT(Lines(),
                ElementsAre(number + " create f", number + " modify f",
                            number + " close f", number + " ignored "));
  }
}

// --- fanotify alone ---

TEST(FanotifySourceTest, AFileSystemThatCannotIsSaidToBeSo) {
  const auto source = FanotifySource::Create("/proc");
  ASSERT_FALSE(source.ok());
  EXPECT_THAT(std::string(source.status().message()),
              HasSubstr("--watch=inotify"));
}

TEST(FanotifyRecordTest, GarbageIsNoRecordAndEndsSomewhere) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 64);
    // A length that fits, now and then.
    if (bytes.size() > 24 && i % 2 == 0) {
      const uint32_t length = static_cast<uint32_t>(bytes.size());
      std::memcpy(bytes.data(), &length, sizeof(length));
      bytes[6] = 24;
      bytes[7] = 0;
    }
    std::string_view rest = bytes;
    FanotifyRecord record;
    while (TakeFanotifyRecord(&rest, &record)) {
      ASSERT_LT(rest.size(), bytes.size());
      ASSERT_LE(record.dir.size() + record.object.size(), 2 * bytes.size());
    }
  }
}

}  // namespace
}  // namespace warmfs::hostd
