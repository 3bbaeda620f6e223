#include "bench/workspace.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace warmfs::bench {
namespace {

namespace fs = std::filesystem;

class WorkspaceTest : public ::testing::Test {
 protected:
  void Put(const std::string& path) { std::ofstream(path) << "x"; }

  const TempDir dir_{"/var/tmp"};
  const std::string base_ = dir_.path();
};

TEST_F(WorkspaceTest, NothingStays) {
  std::string directory;
  {
    auto workspace = Workspace::Make();
    ASSERT_TRUE(workspace.ok()) << workspace.status();
    ASSERT_TRUE((*workspace)->MakeScratch(base_).ok());
    directory = (*workspace)->directory();
    Put(directory + "/a");
    Put(base_ + "/" + kScratchName + "/b");
  }
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_TRUE(fs::exists(base_));
  EXPECT_FALSE(fs::exists(base_ + "/" + kScratchName));
}

TEST_F(WorkspaceTest, NothingStaysOfABenchmarkThatWasKilled) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto workspace = Workspace::Make();
    if (!workspace.ok() || !(*workspace)->MakeScratch(base_).ok()) _exit(1);
    raise(SIGKILL);
  }
  close(fds[1]);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  // The janitor holds the other end, and ends last.
  char end;
  EXPECT_EQ(read(fds[0], &end, 1), 0);
  close(fds[0]);
  EXPECT_FALSE(fs::exists(base_ + "/" + kScratchName));
}

TEST_F(WorkspaceTest, AScratchDirectoryOfSomebodyElseIsLeftAlone) {
  const std::string scratch = base_ + "/" + kScratchName;
  fs::create_directory(scratch);
  Put(scratch + "/precious");
  {
    auto workspace = Workspace::Make();
    ASSERT_TRUE(workspace.ok()) << workspace.status();
    EXPECT_TRUE(absl::IsFailedPrecondition((*workspace)->MakeScratch(base_)));
  }
  EXPECT_TRUE(fs::exists(scratch + "/precious"));
}

// What is behind a mount is the user's own.
TEST_F(WorkspaceTest, AMountLeftBehindIsUnmountedAndNotEmptied) {
  Put(base_ + "/precious");
  std::string directory;
  {
    auto workspace = Workspace::Make();
    ASSERT_TRUE(workspace.ok()) << workspace.status();
    directory = (*workspace)->directory();
    const std::string at = directory + "/mount";
    fs::create_directory(at);
    if (mount(base_.c_str(), at.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      GTEST_SKIP() << "may not mount here: " << strerror(errno);
    }
  }
  EXPECT_TRUE(fs::exists(base_ + "/precious"));
  EXPECT_FALSE(fs::exists(directory));
}

}  // namespace
}  // namespace warmfs::bench
