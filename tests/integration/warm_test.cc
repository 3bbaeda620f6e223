// Warm is native: what the kernel or the cache holds costs no message, counted.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <fstream>

#include "absl/time/clock.h"
#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

constexpr int kDirectories = 50;
constexpr int kFiles = 100;

class WarmTest : public MountTest {
 protected:
  // Of all directories, one after the other. Where one takes seconds (in Wine)
  // that is no walk (fuse/scout.h).
  static int MostListings(absl::Time begun) {
    const bool slow = absl::Now() - begun > kDirectories * absl::Seconds(0.5);
    return slow ? kDirectories + 1 : kDirectories / 2;
  }
  void DropCaches() {
    // Frees dentries, inodes and pages, as far as nothing uses them.
    std::ofstream("/proc/sys/vm/drop_caches") << "3";
  }
};

TEST_F(WarmTest, KernelWarmWorkOnFiveThousandFilesSendsNoRequest) {
  MakeTree(kDirectories, kFiles);
  Mount("ttl=3600");
  ASSERT_EQ(WalkAndRead(Mnt()), kDirectories * kFiles);
  const uint64_t rpcs = Rpcs();
  // After a READ the kernel takes its copy of the access time for outdated, and
  // asks for each inode's attributes once more; that is answered from memory.
  ASSERT_EQ(WalkAndRead(Mnt()), kDirectories * kFiles);
  ExpectWarm(kDirectories * kFiles);
  EXPECT_EQ(Rpcs(), rpcs);
}

TEST_F(WarmTest, ColdWorkListsEachDirectoryOnceAndAsksAtMostOnceForEachFile) {
  MakeTree(kDirectories, kFiles);
  Mount("ttl=3600");
  const absl::Time begun = absl::Now();
  ASSERT_EQ(WalkAndRead(Mnt()), kDirectories * kFiles);
  EXPECT_EQ(Status()["listings"]["fetched"], kDirectories + 1);
  EXPECT_LE(Rpcs("list") + Rpcs("list_many"), MostListings(begun))
      << "several directories in one message";
  EXPECT_EQ(Rpcs("lookup"), 0);
  EXPECT_LE(Rpcs("getattr"), 1);  // of the root, at the start
  EXPECT_LE(Rpcs("read"), kDirectories * kFiles);
  EXPECT_EQ(Requests("open") + Requests("opendir") + Requests("flush"), 3)
      << "each is answered ENOSYS once";
}

TEST_F(WarmTest, RemountedWorkChecksEachDirectoryOnceAndAsksForNoContent) {
  MakeTree(kDirectories, kFiles);
  Mount("ttl=3600");
  ASSERT_EQ(WalkAndRead(Mnt()), kDirectories * kFiles);
  const uint64_t dropped = Dropped();
  Remount("ttl=3600");
  const absl::Time begun = absl::Now();
  EXPECT_EQ(WalkAndRead(Mnt()), kDirectories * kFiles);
  EXPECT_LE(Rpcs("read"), dropped);
  EXPECT_EQ(Rpcs("lookup"), 0);
  EXPECT_LE(Rpcs("getattr"), 1);
  EXPECT_LE(Rpcs("list") + Rpcs("list_many"), MostListings(begun));
  EXPECT_LE(Status()["listings"]["fetched"], dropped)
      << "all confirmed, none sent";
}

TEST_F(WarmTest, OnlyTheChangedFileIsFetchedAgainAfterARemount) {
  MakeTree(3, 20);
  Mount("ttl=3600");
  ASSERT_EQ(WalkAndRead(Mnt()), 60);
  Unmount();
  WriteFile(Host("d1/f7"), "another content");
  Mount("ttl=3600");
  EXPECT_EQ(WalkAndRead(Mnt()), 60);
  EXPECT_EQ(ReadFile(Mnt("d1/f7")), "another content");
  EXPECT_EQ(Rpcs("read"), 1);
  EXPECT_EQ(Status()["listings"]["fetched"], 1);
}

// The first request of each directory and the last of each batch remain; how
// many are pushed before the reader comes depends on how fast he is.
TEST_F(WarmTest, FilesThatFollowArePushedToTheKernelAfterARemount) {
  constexpr int kInOne = 40;
  MakeTree(5, kInOne);
  Mount();
  ASSERT_EQ(WalkAndRead(Mnt()), 5 * kInOne);
  Remount();
  EXPECT_EQ(WalkAndRead(Mnt()), 5 * kInOne);
  EXPECT_EQ(Rpcs("read"), 0);
  const uint64_t pushed = Status()["pushed"]["files"];
  EXPECT_GT(pushed, 0u);
  EXPECT_LT(Requests("read"), 5 * kInOne) << pushed << " pushed";
  ExpectWarm(5 * kInOne);
}

// `ls -l` asks for them, file by file.
TEST_F(WarmTest, TheKernelRemembersThatThereAreNoAcls) {
  MakeTree(1, 10);
  Mount("ttl=3600");
  const auto ask = [&] {
    for (int i = 0; i < 10; ++i) {
      const std::string path = Mnt("d0/f" + std::to_string(i));
      EXPECT_EQ(getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0),
                -1);
      EXPECT_EQ(errno, ENODATA);
    }
  };
  ask();
  const uint64_t asked = Requests("getxattr");
  ask();
  EXPECT_EQ(Requests("getxattr"), asked);
}

TEST_F(WarmTest, AMissingNameIsAnsweredFromTheListing) {
  MakeTree(1, 3);
  Mount("ttl=3600");
  struct stat st;
  ASSERT_EQ(stat(Mnt("d0/f0").c_str(), &st), 0);
  const uint64_t rpcs = Rpcs();
  for (int i = 0; i < 50; ++i) {
    const std::string name = Mnt("d0/no" + std::to_string(i));
    EXPECT_EQ(stat(name.c_str(), &st), -1);
    EXPECT_EQ(errno, ENOENT);
  }
  EXPECT_EQ(Rpcs(), rpcs);
}

TEST_F(WarmTest, AHostChangeIsSeenAfterTheTtl) {
  MakeTree(1, 3);
  Mount("ttl=200ms");
  const std::string before = ReadFile(Mnt("d0/f1"));
  WriteFile(Host("d0/f1"), before + "more");
  WriteFile(Host("d0/new"), "new");
  Await("the host's change", [&] {
    return ReadFile(Mnt("d0/f1")) == before + "more" &&
           ReadFile(Mnt("d0/new")) == "new";
  });
  ASSERT_EQ(unlink(Host("d0/f2").c_str()), 0);
  struct stat st;
  Await("the host's deletion",
        [&] { return stat(Mnt("d0/f2").c_str(), &st) != 0; });
}

// The kernel sees no other mtime or size; only our check of ctime tells.
TEST_F(WarmTest, AChangeThatKeepsSizeAndMtimeIsSeen) {
  WriteFile(Host("f"), "first");
  Mount("ttl=200ms");
  ASSERT_EQ(ReadFile(Mnt("f")), "first");
  struct stat st;
  ASSERT_EQ(stat(Host("f").c_str(), &st), 0);
  WriteFile(Host("f"), "other");
  const timespec times[2] = {st.st_atim, st.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, Host("f").c_str(), times, 0), 0);
  Await("the change", [&] { return ReadFile(Mnt("f")) == "other"; });
}

// The kernel keeps listings for as long as the directory's mtime is the same.
TEST_F(WarmTest, ANewNameInADirectoryWithItsOldMtimeIsListed) {
  MakeTree(1, 3);
  Mount("ttl=200ms");
  auto names = [&] { return Shell("ls " + Mnt("d0")).text; };
  ASSERT_EQ(names(), "f0\nf1\nf2\n");
  struct stat st;
  ASSERT_EQ(stat(Host("d0").c_str(), &st), 0);
  WriteFile(Host("d0/new"), "x");
  const timespec times[2] = {st.st_atim, st.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, Host("d0").c_str(), times, 0), 0);
  Await("the new name", [&] { return names() == "f0\nf1\nf2\nnew\n"; });
}

TEST_F(WarmTest, ALargeFileIsFetchedInWindowsOfEightBlocks) {
  WriteFile(Host("large"), std::string(64 << 20, 'L'));
  MakeTree(1, 1);
  Mount("ttl=3600");
  EXPECT_TRUE(ReadFile(Mnt("large")) == std::string(64 << 20, 'L'));
  EXPECT_LE(Rpcs("read"), 64 + 8 * Dropped());
}

TEST_F(WarmTest, ContentSurvivesTheKernelsCachesAndAsksTheHostNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "dropping caches needs root";
  MakeTree(5, 20);
  Mount("ttl=3600");
  ASSERT_EQ(WalkAndRead(Mnt()), 100);
  const uint64_t rpcs = Rpcs();
  const uint64_t reads = Rpcs("read");
  const uint64_t requests = Requests();
  DropCaches();
  EXPECT_EQ(WalkAndRead(Mnt()), 100);
  EXPECT_EQ(Rpcs("read"), reads);
  EXPECT_LE(Rpcs(), rpcs + 6) << "one check for each directory";
  EXPECT_GT(Requests(), requests);
}

}  // namespace
}  // namespace warmfs::testing
