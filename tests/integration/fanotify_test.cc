// A mount whose host listens by fanotify: what is done on the host is seen and
// told all the same.
//
// Skips by name where hostd says that it may not.

#include <gmock/gmock.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "tests/integration/hostd.h"
#include "tests/integration/mount_fixture.h"
#include "tests/integration/watcher.h"

namespace warmfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Has the daemon say why it cannot, if it cannot: without an endpoint it ends
// in any case.
Output TryFanotify(const std::string& directory) {
  return Shell("timeout 10 " + Program("warmfs-hostd") + " --export default=" +
               directory + " --watch=fanotify --stdio < /dev/null");
}

class FanotifyTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    const Output tried = TryFanotify(Host());
    if (tried.text.find("--watch=inotify") != std::string::npos) {
      GTEST_SKIP() << tried.text;
    }
    hostd_.Start();
    SetSource(hostd_.endpoint());
  }
  void TearDown() override {
    MountTest::TearDown();
    hostd_.Stop(SIGTERM);
  }
  void Sync() {
    const Output sync = Execute({Program("warmfs"), "sync", Mnt()});
    ASSERT_EQ(sync.code, 0) << sync.text;
  }

  Hostd hostd_{{.directory = Host(),
                .listen = "unix:" + Tmp("hostd.sock"),
                .watch = "fanotify"}};
};

TEST_F(FanotifyTest, WhatIsDoneOnTheHostIsSeenAfterSync) {
  fs::create_directories(Host("d"));
  WriteFile(Host("edited"), "old");
  WriteFile(Host("moved"), "moved");
  WriteFile(Host("deleted"), "deleted");
  Mount();
  EXPECT_EQ(Status()["freshness"], "lease");
  EXPECT_EQ(WalkAndRead(Mnt()), 3);
  EXPECT_NE(access(Mnt("d/made").c_str(), F_OK), 0);
  WriteFile(Host("edited"), "newer");
  WriteFile(Host("d/made"), "made");
  fs::rename(Host("moved"), Host("d/moved"));
  fs::remove(Host("deleted"));
  ASSERT_EQ(chmod(Host("d").c_str(), 0700), 0);
  Sync();
  EXPECT_EQ(ReadFile(Mnt("edited")), "newer");
  EXPECT_EQ(ReadFile(Mnt("d/made")), "made");
  EXPECT_EQ(ReadFile(Mnt("d/moved")), "moved");
  EXPECT_NE(access(Mnt("moved").c_str(), F_OK), 0);
  EXPECT_NE(access(Mnt("deleted").c_str(), F_OK), 0);
  struct stat st {};
  ASSERT_EQ(stat(Mnt("d").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
}

// Each step by itself: then nothing waits in the queue that could be merged.
TEST_F(FanotifyTest, AWatcherIsToldAsOnALocalDisk) {
  const auto work = [](const std::string& dir, auto&& step) {
    WriteFile(dir + "/f", "x");
    step();
    fs::rename(dir + "/f", dir + "/d/g");
    step();
    chmod((dir + "/d").c_str(), 0700);
    step();
    WriteFile(dir + "/d/g", "other");
    step();
    fs::remove(dir + "/d/g");
    step();
    fs::remove(dir + "/d");
    step();
  };
  fs::create_directories(Host("d"));
  fs::create_directories(Tmp("local/d"));
  Mount();
  WalkAndRead(Mnt());
  Watcher seen(Mnt()), expected(Tmp("local"));
  work(Host(), [&] {
    Sync();
    seen.Drain();
  });
  work(Tmp("local"), [&] { expected.Drain(); });
  EXPECT_EQ(ToString(seen.TakeNormalised()),
            ToString(expected.TakeNormalised()));
}

TEST_F(FanotifyTest, WorkOfOurOwnRaisesNothing) {
  Mount();
  const Output worked =
      Shell("cd " + Mnt() +
            " && mkdir a && for i in 1 2 3; do echo $i > a/$i; done && "
            "mv a/1 b && rm a/2 && chmod 600 a/3 && chmod 700 a");
  ASSERT_EQ(worked.code, 0) << worked.text;
  Sync();
  const auto journal = Status()["journal"];
  EXPECT_GT(journal["events"].get<uint64_t>(), 0u);
  EXPECT_EQ(journal["own"], journal["events"]);
}

// Not of the mount: /proc has no handles.
TEST_F(FanotifyTest, AFileSystemThatCannotIsOneClearError) {
  const Output tried = TryFanotify("/proc");
  EXPECT_NE(tried.code, 0);
  EXPECT_THAT(tried.text, HasSubstr("use --watch=inotify"));
  EXPECT_EQ(std::count(tried.text.begin(), tried.text.end(), '\n'), 1)
      << tried.text;
}

TEST_F(FanotifyTest, WithoutTheRightThereIsOneClearError) {
  if (geteuid() != 0) GTEST_SKIP() << "there is no right to give up";
  const Output tried = Shell(
      "setpriv --bounding-set -sys_admin " + Program("warmfs-hostd") +
      " --export default=" + Host() + " --watch=fanotify --stdio < /dev/null");
  EXPECT_EQ(tried.code, EX_NOPERM) << tried.text;
  EXPECT_THAT(tried.text, HasSubstr("use --watch=inotify"));
  EXPECT_EQ(std::count(tried.text.begin(), tried.text.end(), '\n'), 1)
      << tried.text;
}

}  // namespace
}  // namespace warmfs::testing
