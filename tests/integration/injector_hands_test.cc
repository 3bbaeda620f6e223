// Who sees what the injector raises, who comes in between, and what becomes of
// the rest when one of its calls does not return.

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <utility>

#include "schema/unique_fd.h"
#include "tests/integration/injection_fixture.h"

namespace warmfs::testing {
namespace {

using fuse::Injection;
using fuse::InjectionKind;
using fuse::Injector;

Attr MadeUp(uint64_t number) {
  Attr attr;
  attr.id = {4711, number};
  attr.ino = 4711 + number;
  attr.mode = S_IFREG | 0600;
  attr.nlink = 1;
  return attr;
}

class HandsTest : public InjectionTest {
 protected:
  // A file that is gone by the time that it is told of.
  void PushCreate(fuse::NodeId dir, const std::string& name) {
    Push({.kind = InjectionKind::kCreate,
          .dir = dir,
          .name = name,
          .object = MadeUp(++made_)});
  }

  // What a watcher in other mount and pid namespaces sees, who gets there the
  // mount at Tmp "seen" by these mounts; `push` is raised meanwhile.
  template <typename F>
  std::string SeenFromElsewhere(const std::string& mounts, F push) {
    const std::string seen = tmp_ / "seen";
    mkdir(seen.c_str(), 0755);
    const std::string program =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() /
        "injector_watch";
    const std::string line = "exec unshare -m -p -f sh -c 'M=" + Mnt() +
                             " S=" + seen + "; " + mounts + " && exec " +
                             program + " $S/d'";
    FILE* watch = popen(line.c_str(), "r");
    char text[4096] = {};
    EXPECT_NE(fgets(text, sizeof(text), watch), nullptr);
    EXPECT_STREQ(text, "ready\n");
    push();
    PushCreate(d_, "stop");
    std::string out;
    while (fgets(text, sizeof(text), watch) != nullptr) out += text;
    EXPECT_EQ(pclose(watch), 0);
    return out;
  }

  void PushOneOfEach() {
    const Attr f = Ask("d/f");
    PushCreate(d_, "new");
    Push({.kind = InjectionKind::kModify, .dir = d_, .name = "f", .object = f});
    Push({.kind = InjectionKind::kDelete, .dir = d_, .name = "f", .object = f});
  }

 private:
  uint64_t made_ = 0;
};

constexpr char kOneOfEach[] =
    ".: CREATE new\n.: MODIFY f\n.: DELETE f\n.: CREATE stop\n";

TEST_F(HandsTest, AWatcherInOtherNamespacesSeesTheSame) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root for namespaces";
  Mount();
  EXPECT_EQ(SeenFromElsewhere("mount --bind $M $S", [&] { PushOneOfEach(); }),
            kOneOfEach);
  ExpectTruth("d/f");
}

TEST_F(HandsTest, AWatcherBehindAReadOnlyBindMountSeesTheSame) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root for namespaces";
  Mount();
  EXPECT_EQ(
      SeenFromElsewhere("mount --bind $M $S && mount -o remount,bind,ro $S && "
                        "! touch $S/d/x 2>/dev/null",
                        [&] { PushOneOfEach(); }),
      kOneOfEach);
}

TEST_F(HandsTest, AReadOnlyMountRefusesChangesAndHasEvents) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount so";
  Mount(/*read_only=*/true);
  struct statvfs vfs;
  ASSERT_EQ(statvfs(Mnt().c_str(), &vfs), 0);
  EXPECT_NE(vfs.f_flag & ST_RDONLY, 0u);
  EXPECT_NE(vfs.f_flag & ST_NOSUID, 0u);
  EXPECT_EQ(open(Mnt("d/f").c_str(), O_WRONLY | O_CLOEXEC), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(mkdir(Mnt("d/x").c_str(), 0755), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(access(Mnt("d/f").c_str(), W_OK), -1);
  EXPECT_EQ(errno, EROFS);
  watcher_->Take();
  PushOneOfEach();
  EXPECT_EQ(Events(), "d: CREATE new\nd: MODIFY f\nd: DELETE f\n");
  ExpectTruth("d/f");
}

TEST_F(HandsTest, ACallThatDoesNotReturnDoesNotHoldUpTheOthers) {
  injector_options_.call_deadline = absl::Milliseconds(50);
  Mount();
  proxy_->HoldReplies();
  // Holds the lock of d until the host's answer comes.
  std::thread application([&] { mkdir(Mnt("d/mine").c_str(), 0755); });
  proxy_->AwaitHeld();
  PushCreate(d_, "late");
  PushCreate(e_, "one");
  PushCreate(e_, "two");
  EXPECT_EQ(Events(), "e: CREATE one\ne: CREATE two\n");
  EXPECT_EQ(injector_->counters().overdue, 1u);
  proxy_->Release();
  application.join();
  ASSERT_TRUE(watcher_->AwaitEvent(IN_CREATE, "late"));
  // In its own order, and once.
  EXPECT_EQ(Events(), "d: CREATE,ISDIR mine\nd: CREATE late\n");
  ExpectTruth("d/late");
  ExpectTruth("d/mine");
  PushCreate(d_, "after");
  EXPECT_EQ(Events(), "d: CREATE after\n");
}

TEST_F(HandsTest, WithAllHandsHeldUpTheRestWaits) {
  injector_options_.call_deadline = absl::Milliseconds(20);
  Mount();
  proxy_->HoldReplies();
  std::thread application([&] { mkdir(Mnt("d/mine").c_str(), 0755); });
  proxy_->AwaitHeld();
  std::string expected = "d: CREATE,ISDIR mine\n";
  for (size_t i = 0; i <= Injector::kMaxStuck; ++i) {
    PushCreate(d_, "late" + std::to_string(i));
  }
  PushCreate(e_, "one");
  EXPECT_FALSE(injector_->AwaitDelivered(
      Injector::kMaxStuck + 2, absl::Now() + absl::Milliseconds(300)));
  EXPECT_EQ(injector_->counters().overdue, Injector::kMaxStuck);
  EXPECT_EQ(injector_->depth(), 2u);
  // Nobody else is held up.
  session_->InvalidatePages(e_);
  struct stat st;
  EXPECT_EQ(stat(Mnt("e").c_str(), &st), 0);
  proxy_->Release();
  application.join();
  ASSERT_TRUE(watcher_->AwaitEvent(IN_CREATE, "one"));
  for (size_t i = 0; i <= Injector::kMaxStuck; ++i) {
    ASSERT_TRUE(watcher_->AwaitEvent(IN_CREATE, "late" + std::to_string(i)));
  }
  const std::string events = Events();
  EXPECT_EQ(std::count(events.begin(), events.end(), '\n'),
            2 + 1 + static_cast<int>(Injector::kMaxStuck));
}

// What is at the old name by now goes to the new one with the call.
TEST_F(HandsTest, WhoLooksAtTheOldNameJustBeforeARenameLeavesNothingWrong) {
  Mount();
  const Attr f = Ask("d/f");
  host_.Rename("d/f", "d/h");
  host_.Write("d/f", "another");
  Learn({"d"}, {"f", "h"});
  bool looked = false;
  invalidated_ = [&](const std::string& name) {
    if (std::exchange(looked, true)) return;
    EXPECT_EQ(name, "f");
    // A hand itself would be answered from the plan.
    std::thread([this] {
      struct stat st;
      EXPECT_EQ(stat(Mnt("d/f").c_str(), &st), 0);
    }).join();
  };
  Push({.kind = InjectionKind::kRename,
        .dir = d_,
        .name = "f",
        .to_dir = d_,
        .to_name = "h",
        .object = f});
  EXPECT_EQ(Events(), "d: MOVED_FROM #1 f\nd: MOVED_TO #1 h\n");
  EXPECT_TRUE(looked);
  ExpectTruth("d/f");
  ExpectTruth("d/h");
}

TEST_F(HandsTest, WhatDoesNotFitIsDroppedAndCounted) {
  injector_options_.max_queue = 4;
  injector_options_.call_deadline = absl::Seconds(20);
  Mount();
  proxy_->HoldReplies();
  std::thread application([&] { mkdir(Mnt("d/mine").c_str(), 0755); });
  proxy_->AwaitHeld();
  PushCreate(d_, "first");
  for (int i = 0; i < 10; ++i) PushCreate(e_, std::to_string(i));
  EXPECT_FALSE(injector_->Drained(1));
  proxy_->Release();
  application.join();
  Events();
  EXPECT_TRUE(injector_->Drained(20));
  EXPECT_EQ(injector_->depth(), 0u);
  // Whether the first was under way by then or still in the queue.
  const auto counters = injector_->counters();
  const uint64_t raised =
      counters.raised[static_cast<size_t>(InjectionKind::kCreate)];
  EXPECT_TRUE(raised == 4 || raised == 5) << raised;
  EXPECT_EQ(raised + counters.dropped, 11u);
}

TEST_F(HandsTest, EachCallIsLogged) {
  absl::Mutex mu;
  std::vector<std::string> log;
  injector_options_.on_raised = [&](const Injection& injection, int error) {
    absl::MutexLock lock(&mu);
    log.push_back(std::string(InjectionName(injection.kind)) + " " +
                  injection.name + " " + std::to_string(error));
  };
  Mount();
  PushOneOfEach();
  Attr fifo = MadeUp(77);
  fifo.mode = S_IFIFO | 0600;
  Push({.kind = InjectionKind::kCloseWrite,
        .dir = d_,
        .name = "pipe",
        .object = fifo});
  Events();
  absl::MutexLock lock(&mu);
  EXPECT_EQ(log, (std::vector<std::string>{
                     "create new 0", "modify f 0", "delete f 0",
                     "close_write pipe " + std::to_string(EOPNOTSUPP)}));
  EXPECT_EQ(injector_->counters().failed[EOPNOTSUPP], 1u);
}

}  // namespace
}  // namespace warmfs::testing
