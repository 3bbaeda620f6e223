// The contract of every watch source, and what inotify alone can show.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/time/clock.h"
#include "hostd/inotify_source.h"
#include "tests/fakes/scripted_watch_source.h"

namespace warmfs::hostd {
namespace {

// A source, and how a test makes it tell of a change of attributes.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual WatchSource& source() = 0;
  virtual void Change(const std::string& dir, const std::string& name) = 0;
};

class InotifySubject final : public Subject {
 public:
  InotifySubject() : source_(*InotifySource::Create()) {}
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

using MakeSubject = std::unique_ptr<Subject> (*)();

class WatchSourceTest : public testing::TestWithParam<MakeSubject> {
 protected:
  WatchSourceTest() : subject_(GetParam()()) {
    std::string name = "/tmp/warmfs-watch-XXXXXX";
    base_ = mkdtemp(name.data());
    for (const char* file : {"a", "b"}) {
      EXPECT_GE(UniqueFd(creat((base_ + '/' + file).c_str(), 0600)).get(), 0);
    }
  }
  ~WatchSourceTest() override { std::filesystem::remove_all(base_); }

  WatchSource& source() { return subject_->source(); }
  void Change(const std::string& name) { subject_->Change(base_, name); }
  int Watch() {
    const UniqueFd fd(open(base_.c_str(), O_PATH | O_CLOEXEC));
    int number = -1;
    EXPECT_EQ(source().Add(fd.get(), true, &number), 0);
    return number;
  }
  std::vector<RawEvent> Take() {
    std::vector<RawEvent> events;
    source().Take(&events);
    return events;
  }

  const std::unique_ptr<Subject> subject_;
  std::string base_;
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
  for (int i = 0; i < 100; ++i) Change(i % 2 == 0 ? "a" : "b");
  const std::vector<RawEvent> events = Take();
  ASSERT_EQ(events.size(), 100u);
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(events[i].name, i % 2 == 0 ? "a" : "b");
    EXPECT_GT(events[i].end, i > 0 ? events[i - 1].end : 0);
  }
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

template <typename T>
std::unique_ptr<Subject> Make() {
  return std::make_unique<T>();
}

INSTANTIATE_TEST_SUITE_P(Sources, WatchSourceTest,
                         testing::Values(&Make<InotifySubject>,
                                         &Make<ScriptedSubject>),
                         [](const auto& info) {
                           return info.index == 0 ? "Inotify" : "Scripted";
                         });

// --- inotify alone ---

TEST(InotifySourceTest, AnObjectIsWatchedByDescriptorWhateverItsPath) {
  std::string base = "/tmp/warmfs-watch-XXXXXX";
  ASSERT_NE(mkdtemp(base.data()), nullptr);
  const std::string a = base + "/a", b = base + "/b";
  ASSERT_EQ(mkdir(a.c_str(), 0700), 0);
  const UniqueFd fd(open(a.c_str(), O_PATH | O_CLOEXEC));
  ASSERT_EQ(rename(a.c_str(), b.c_str()), 0);
  ASSERT_EQ(mkdir(a.c_str(), 0700), 0);
  const auto source = *InotifySource::Create();
  int number = -1;
  ASSERT_EQ(source->Add(fd.get(), true, &number), 0);
  ASSERT_EQ(mkdir((b + "/c").c_str(), 0700), 0);
  ASSERT_EQ(mkdir((a + "/d").c_str(), 0700), 0);
  std::vector<RawEvent> events;
  source->Take(&events);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].name, "c");
  EXPECT_EQ(events[0].mask, uint32_t{IN_CREATE | IN_ISDIR});
  std::filesystem::remove_all(base);
}

TEST(InotifySourceTest, AnErrorIsAnErrno) {
  const auto source = *InotifySource::Create();
  int number = -1;
  EXPECT_EQ(source->Add(-1, true, &number), ENOENT);
}

}  // namespace
}  // namespace warmfs::hostd
