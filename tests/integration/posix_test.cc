// What a local file system gives, on a real mount: names, attributes, content,
// holes, links, orphans, locks, special files.

#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "schema/unique_fd.h"
#include "tests/integration/host_needs.h"
#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

namespace fs = std::filesystem;

struct stat Stat(const std::string& path) {
  struct stat st = {};
  EXPECT_EQ(lstat(path.c_str(), &st), 0) << path << ": " << strerror(errno);
  return st;
}

UniqueFd Open(const std::string& path, int flags, mode_t mode = 0644) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC, mode));
  EXPECT_GE(fd.get(), 0) << path << ": " << strerror(errno);
  return fd;
}

std::string ReadAll(const UniqueFd& fd) {
  std::string out(1 << 20, '\0');
  const ssize_t n = pread(fd.get(), out.data(), out.size(), 0);
  EXPECT_GE(n, 0) << strerror(errno);
  out.resize(std::max<ssize_t>(n, 0));
  return out;
}

class PosixTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (!IsSkipped()) Mount();
  }
};

TEST_F(PosixTest, WrittenBytesAreOnTheHostWhenWriteReturns) {
  UniqueFd fd = Open(Mnt("f"), O_CREAT | O_EXCL | O_WRONLY);
  ASSERT_EQ(write(fd.get(), "hello", 5), 5);
  EXPECT_EQ(ReadFile(Host("f")), "hello");
  ASSERT_EQ(pwrite(fd.get(), "J", 1, 0), 1);
  EXPECT_EQ(ReadFile(Host("f")), "Jello");
  EXPECT_EQ(ReadFile(Mnt("f")), "Jello");
  ASSERT_EQ(fsync(fd.get()), 0) << strerror(errno);
}

TEST_F(PosixTest, AppendsGoToTheEndThatTheHostKnows) {
  WriteFile(Mnt("log"), "a");
  UniqueFd fd = Open(Mnt("log"), O_WRONLY | O_APPEND);
  WriteFile(Host("log"), "host wrote more");
  ASSERT_EQ(write(fd.get(), "+vm", 3), 3);
  EXPECT_EQ(ReadFile(Host("log")), "host wrote more+vm");
}

TEST_F(PosixTest, OpenWithCreateOpensWhatTheHostMadeMeanwhile) {
  struct stat st;
  ASSERT_EQ(stat(Mnt("new").c_str(), &st), -1);  // now a negative dentry
  WriteFile(Host("new"), "host's");
  UniqueFd fd = Open(Mnt("new"), O_CREAT | O_RDWR);
  EXPECT_EQ(ReadAll(fd), "host's");
  errno = 0;
  EXPECT_EQ(open(Mnt("new").c_str(), O_CREAT | O_EXCL | O_RDWR, 0644), -1);
  EXPECT_EQ(errno, EEXIST);
}

TEST_F(PosixTest, TruncationOnOpenAndByLength) {
  WriteFile(Mnt("f"), "0123456789");
  ASSERT_EQ(truncate(Mnt("f").c_str(), 4), 0);
  EXPECT_EQ(ReadFile(Mnt("f")), "0123");
  ASSERT_EQ(truncate(Mnt("f").c_str(), 6), 0);
  EXPECT_EQ(ReadFile(Mnt("f")), std::string("0123\0\0", 6));
  Open(Mnt("f"), O_WRONLY | O_TRUNC);
  EXPECT_EQ(Stat(Host("f")).st_size, 0);
}

TEST_F(PosixTest, ModeOwnerAndTimesToTheNanosecond) {
  WARMFS_TEST_NEEDS(Need::kOwnModes);
  WARMFS_TEST_NEEDS(Need::kNanoseconds);
  WriteFile(Mnt("f"), "x");
  ASSERT_EQ(chmod(Mnt("f").c_str(), 0640), 0);
  EXPECT_EQ(Stat(Mnt("f")).st_mode & 07777, 0640u);
  EXPECT_EQ(Stat(Host("f")).st_mode & 07777, 0640u);
  const timespec times[2] = {{1'000'000'001, 987'654'321},
                             {1'000'000'002, 123'456'789}};
  ASSERT_EQ(utimensat(AT_FDCWD, Mnt("f").c_str(), times, 0), 0);
  EXPECT_EQ(Stat(Mnt("f")).st_mtim.tv_nsec, 123'456'789);
  EXPECT_EQ(Stat(Host("f")).st_atim.tv_nsec, 987'654'321);
  const timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  ASSERT_EQ(utimensat(AT_FDCWD, Mnt("f").c_str(), omit, 0), 0);
  EXPECT_EQ(Stat(Host("f")).st_atim.tv_sec, 1'000'000'001);
  EXPECT_GT(Stat(Host("f")).st_mtim.tv_sec, 1'600'000'000);
  if (geteuid() == 0) {
    ASSERT_EQ(chown(Mnt("f").c_str(), 1234, 5678), 0);
    EXPECT_EQ(Stat(Mnt("f")).st_uid, 1234u);
    EXPECT_EQ(Stat(Host("f")).st_gid, 5678u);
  }
}

TEST_F(PosixTest, InodeNumbersAndTimesAreTheHostsAndSurviveARemount) {
  WARMFS_TEST_NEEDS(Need::kNanoseconds);
  WriteHost("f", "x");
  const struct stat host = Stat(Host("f"));
  const struct stat first = Stat(Mnt("f"));
  EXPECT_EQ(first.st_ino, host.st_ino);
  EXPECT_EQ(first.st_mtim.tv_nsec, host.st_mtim.tv_nsec);
  EXPECT_EQ(first.st_blocks, host.st_blocks);
  Remount();
  EXPECT_EQ(Stat(Mnt("f")).st_ino, host.st_ino);
  EXPECT_EQ(Stat(Mnt("f")).st_ctim.tv_nsec, host.st_ctim.tv_nsec);
}

TEST_F(PosixTest, DirectoriesSymlinksAndHardLinks) {
  WARMFS_TEST_NEEDS(Need::kSymbolicLinks);
  ASSERT_EQ(mkdir(Mnt("d").c_str(), 0755), 0);
  EXPECT_EQ(mkdir(Mnt("d").c_str(), 0755), -1);
  EXPECT_EQ(errno, EEXIST);
  WriteFile(Mnt("d/f"), "x");
  EXPECT_EQ(rmdir(Mnt("d").c_str()), -1);
  EXPECT_EQ(errno, ENOTEMPTY);
  ASSERT_EQ(symlink("d/f", Mnt("s").c_str()), 0);
  EXPECT_EQ(fs::read_symlink(Mnt("s")), "d/f");
  EXPECT_EQ(ReadFile(Mnt("s")), "x");
  ASSERT_EQ(link(Mnt("d/f").c_str(), Mnt("hard").c_str()), 0);
  EXPECT_EQ(Stat(Mnt("hard")).st_nlink, 2u);
  EXPECT_EQ(Stat(Mnt("d/f")).st_ino, Stat(Mnt("hard")).st_ino);
  ASSERT_EQ(unlink(Mnt("d/f").c_str()), 0);
  EXPECT_EQ(ReadFile(Mnt("hard")), "x");
  EXPECT_EQ(Stat(Mnt("hard")).st_nlink, 1u);
  ASSERT_EQ(rmdir(Mnt("d").c_str()), 0);
  EXPECT_FALSE(fs::exists(Host("d")));
}

TEST_F(PosixTest, RenameReplacesExchangesAndRefuses) {
  WARMFS_TEST_NEEDS(Need::kExchange);
  WriteFile(Mnt("a"), "A");
  WriteFile(Mnt("b"), "B");
  EXPECT_EQ(renameat2(AT_FDCWD, Mnt("a").c_str(), AT_FDCWD, Mnt("b").c_str(),
                      RENAME_NOREPLACE),
            -1);
  EXPECT_EQ(errno, EEXIST);
  ASSERT_EQ(renameat2(AT_FDCWD, Mnt("a").c_str(), AT_FDCWD, Mnt("b").c_str(),
                      RENAME_EXCHANGE),
            0);
  EXPECT_EQ(ReadFile(Mnt("a")), "B");
  EXPECT_EQ(ReadFile(Host("b")), "A");
  ASSERT_EQ(mkdir(Mnt("d").c_str(), 0755), 0);
  ASSERT_EQ(rename(Mnt("a").c_str(), Mnt("d/a").c_str()), 0);
  ASSERT_EQ(rename(Mnt("d").c_str(), Mnt("e").c_str()), 0);
  EXPECT_EQ(ReadFile(Mnt("e/a")), "B");
  ASSERT_EQ(rename(Mnt("e/a").c_str(), Mnt("b").c_str()), 0);
  EXPECT_EQ(ReadFile(Mnt("b")), "B");
  EXPECT_FALSE(fs::exists(Mnt("e/a")));
}

TEST_F(PosixTest, UnlinkedAndReplacedFilesStayUsableWhileOpen) {
  WriteFile(Mnt("gone"), "still here");
  WriteFile(Mnt("old"), "old content");
  WriteFile(Mnt("new"), "new content");
  UniqueFd gone = Open(Mnt("gone"), O_RDWR);
  UniqueFd old = Open(Mnt("old"), O_RDWR);
  ASSERT_EQ(unlink(Mnt("gone").c_str()), 0);
  ASSERT_EQ(rename(Mnt("new").c_str(), Mnt("old").c_str()), 0);
  EXPECT_EQ(ReadAll(gone), "still here");
  EXPECT_EQ(ReadAll(old), "old content");
  ASSERT_EQ(pwrite(gone.get(), "STILL", 5, 0), 5) << strerror(errno);
  ASSERT_EQ(pwrite(old.get(), "OLD", 3, 0), 3) << strerror(errno);
  EXPECT_EQ(ReadAll(gone), "STILL here");
  EXPECT_EQ(ReadAll(old), "OLD content");
  struct stat st;
  ASSERT_EQ(fstat(gone.get(), &st), 0);
  EXPECT_EQ(st.st_nlink, 0u);
  ASSERT_EQ(ftruncate(gone.get(), 5), 0) << strerror(errno);
  EXPECT_EQ(ReadAll(gone), "STILL");
  EXPECT_EQ(ReadFile(Mnt("old")), "new content");
}

TEST_F(PosixTest, AnOrphanIsReadFromTheHostWhenTheKernelHasDroppedItsPages) {
  const std::string content(300'000, 'o');
  WriteHost("orphan", content);
  UniqueFd fd = Open(Mnt("orphan"), O_RDONLY);
  ASSERT_EQ(unlink(Mnt("orphan").c_str()), 0);
  std::string read(content.size(), '\0');
  ASSERT_EQ(pread(fd.get(), read.data(), read.size(), 0),
            static_cast<ssize_t>(content.size()))
      << strerror(errno);
  EXPECT_EQ(read, content);
}

TEST_F(PosixTest, ReaddirCookiesStayStableWhileTheDirectoryChanges) {
  std::set<std::string> stay;
  ASSERT_EQ(mkdir(Mnt("d").c_str(), 0755), 0);
  for (int i = 0; i < 600; ++i) {
    const std::string name = "stay" + std::to_string(i);
    WriteFile(Mnt("d/" + name), "");
    stay.insert(name);
  }
  DIR* dir = opendir(Mnt("d").c_str());
  ASSERT_NE(dir, nullptr);
  std::multiset<std::string> seen;
  int n = 0;
  while (dirent* entry = readdir(dir)) {
    seen.insert(entry->d_name);
    // Names come and go while it is read.
    const std::string other = Mnt("d/other" + std::to_string(n % 50));
    if (++n % 2 != 0) {
      WriteFile(other, "");
    } else {
      unlink(other.c_str());
    }
  }
  closedir(dir);
  for (const std::string& name : stay) EXPECT_EQ(seen.count(name), 1u) << name;
}

TEST_F(PosixTest, NamesOfAnyBytesAndOfFullLength) {
  WARMFS_TEST_NEEDS(Need::kOwnNames);
  const std::string longest(255, 'n');
  const std::string odd = "odd \xff\xfe\n\t\\\"'*?name";
  for (const std::string& name : {longest, odd}) {
    WriteFile(Mnt(name), "x");
    EXPECT_EQ(ReadFile(Host(name)), "x");
    EXPECT_EQ(ReadFile(Mnt(name)), "x");
  }
  EXPECT_EQ(open(Mnt(std::string(256, 'n')).c_str(), O_CREAT | O_WRONLY, 0644),
            -1);
  EXPECT_EQ(errno, ENAMETOOLONG);
}

TEST_F(PosixTest, HolesAreHoles) {
  WARMFS_TEST_NEEDS(Need::kHoles);
  UniqueFd fd = Open(Mnt("sparse"), O_CREAT | O_RDWR);
  ASSERT_EQ(ftruncate(fd.get(), 8 << 20), 0);
  ASSERT_EQ(pwrite(fd.get(), "data", 4, 4 << 20), 4);
  EXPECT_EQ(Stat(Mnt("sparse")).st_blocks, Stat(Host("sparse")).st_blocks);
  EXPECT_LT(Stat(Mnt("sparse")).st_blocks, (8 << 20) / 512);
  EXPECT_EQ(lseek(fd.get(), 0, SEEK_DATA), 4 << 20);
  EXPECT_EQ(lseek(fd.get(), 0, SEEK_HOLE), 0);
  const Output copied =
      Execute({"cp", "--sparse=auto", Mnt("sparse"), Tmp("copy")});
  ASSERT_EQ(copied.code, 0) << copied.text;
  EXPECT_EQ(Execute({"cmp", Mnt("sparse"), Tmp("copy")}).code, 0);
  EXPECT_LT(Stat(Tmp("copy")).st_blocks, (8 << 20) / 512);
}

TEST_F(PosixTest, FallocateAndPunchHole) {
  WARMFS_TEST_NEEDS(Need::kFallocate);
  UniqueFd fd = Open(Mnt("f"), O_CREAT | O_RDWR);
  ASSERT_EQ(fallocate(fd.get(), 0, 0, 1 << 20), 0) << strerror(errno);
  EXPECT_EQ(Stat(Mnt("f")).st_size, 1 << 20);
  const std::string ones(1 << 20, '1');
  ASSERT_EQ(pwrite(fd.get(), ones.data(), ones.size(), 0), 1 << 20);
  ASSERT_EQ(fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      4096, 8192),
            0)
      << strerror(errno);
  std::string read(1 << 20, '\0');
  ASSERT_EQ(pread(fd.get(), read.data(), read.size(), 0), 1 << 20);
  std::string expected = ones;
  expected.replace(4096, 8192, 8192, '\0');
  EXPECT_TRUE(read == expected);
}

TEST_F(PosixTest, CopyFileRangeIsDoneOnTheHost) {
  const std::string content(3 << 20, 'c');
  WriteHost("from", content);
  UniqueFd from = Open(Mnt("from"), O_RDONLY);
  UniqueFd to = Open(Mnt("to"), O_CREAT | O_RDWR);
  const uint64_t reads = Rpcs("read");
  const uint64_t writes = Rpcs("write");
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = copy_file_range(from.get(), nullptr, to.get(), nullptr,
                                      content.size() - done, 0);
    struct stat st;
    ASSERT_EQ(fstat(from.get(), &st), 0);
    ASSERT_GT(n, 0) << strerror(errno) << " after " << done << ", the file has "
                    << st.st_size;
    done += n;
  }
  EXPECT_EQ(Rpcs("read"), reads);
  EXPECT_EQ(Rpcs("write"), writes);
  EXPECT_TRUE(ReadFile(Host("to")) == content);
}

TEST_F(PosixTest, ExtendedAttributesOfUsers) {
  WARMFS_TEST_NEEDS(Need::kExtendedAttributes);
  WriteFile(Mnt("f"), "x");
  const std::string path = Mnt("f");
  ASSERT_EQ(setxattr(path.c_str(), "user.color", "red", 3, 0), 0)
      << strerror(errno);
  char value[64];
  EXPECT_EQ(getxattr(path.c_str(), "user.color", value, sizeof(value)), 3);
  EXPECT_EQ(getxattr(path.c_str(), "user.color", value, 1), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_EQ(getxattr(Host("f").c_str(), "user.color", value, sizeof(value)), 3);
  char names[64];
  EXPECT_EQ(listxattr(path.c_str(), names, sizeof(names)), 11);
  EXPECT_EQ(setxattr(path.c_str(), "user.color", "b", 1, XATTR_CREATE), -1);
  EXPECT_EQ(errno, EEXIST);
  ASSERT_EQ(removexattr(path.c_str(), "user.color"), 0);
  EXPECT_EQ(getxattr(path.c_str(), "user.color", value, sizeof(value)), -1);
  EXPECT_EQ(errno, ENODATA);
}

TEST_F(PosixTest, SharedMappingsWriteThroughToTheHost) {
  WriteFile(Mnt("map"), std::string(8192, '.'));
  UniqueFd fd = Open(Mnt("map"), O_RDWR);
  void* map =
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  std::memcpy(static_cast<char*>(map) + 5000, "mapped", 6);
  ASSERT_EQ(msync(map, 8192, MS_SYNC), 0);
  EXPECT_EQ(ReadFile(Host("map")).substr(5000, 6), "mapped");
  munmap(map, 8192);
  void* copy =
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0);
  ASSERT_NE(copy, MAP_FAILED);
  EXPECT_EQ(std::memcmp(static_cast<char*>(copy) + 5000, "mapped", 6), 0);
  static_cast<char*>(copy)[0] = 'X';
  EXPECT_EQ(ReadFile(Host("map"))[0], '.');
  munmap(copy, 8192);
}

TEST_F(PosixTest, DirectIoBypassesThePageCache) {
  UniqueFd fd = Open(Mnt("direct"), O_CREAT | O_RDWR | O_DIRECT);
  void* buffer = nullptr;
  ASSERT_EQ(posix_memalign(&buffer, 4096, 1 << 16), 0);
  std::memset(buffer, 'd', 1 << 16);
  EXPECT_EQ(pwrite(fd.get(), buffer, 1 << 16, 0), 1 << 16) << strerror(errno);
  EXPECT_EQ(ReadFile(Host("direct")), std::string(1 << 16, 'd'));
  std::memset(buffer, 0, 1 << 16);
  EXPECT_EQ(pread(fd.get(), buffer, 1 << 16, 0), 1 << 16) << strerror(errno);
  EXPECT_EQ(static_cast<char*>(buffer)[12345], 'd');
  free(buffer);
}

TEST_F(PosixTest, TemporaryFilesWithoutANameAreRefusedCleanly) {
  EXPECT_EQ(open(Mnt().c_str(), O_TMPFILE | O_RDWR, 0600), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(PosixTest, LocksHoldWithinThisMachine) {
  WriteFile(Mnt("lock"), "");
  UniqueFd mine = Open(Mnt("lock"), O_RDWR);
  UniqueFd other = Open(Mnt("lock"), O_RDWR);
  ASSERT_EQ(flock(mine.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(flock(other.get(), LOCK_EX | LOCK_NB), -1);
  EXPECT_EQ(errno, EWOULDBLOCK);
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_len = 10;
  ASSERT_EQ(fcntl(mine.get(), F_SETLK, &range), 0);
  const pid_t child = fork();
  if (child == 0) {
    struct flock same = {};
    same.l_type = F_WRLCK;
    same.l_len = 10;
    _exit(fcntl(other.get(), F_SETLK, &same) == -1 ? 0 : 1);
  }
  EXPECT_EQ(WaitFor(child), 0);
}

TEST_F(PosixTest, FifosAndUnixSocketsBetweenProcesses) {
  WARMFS_TEST_NEEDS(Need::kFifos);
  ASSERT_EQ(mkfifo(Mnt("fifo").c_str(), 0600), 0) << strerror(errno);
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open(Mnt("fifo").c_str(), O_WRONLY);
    _exit(write(fd, "through", 7) == 7 ? 0 : 1);
  }
  EXPECT_EQ(ReadFile(Mnt("fifo")), "through");
  EXPECT_EQ(WaitFor(child), 0);

  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, Mnt("sock").c_str(),
               sizeof(address.sun_path) - 1);
  UniqueFd server(socket(AF_UNIX, SOCK_STREAM, 0));
  UniqueFd client(socket(AF_UNIX, SOCK_STREAM, 0));
  auto* sa = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(server.get(), sa, sizeof(address)), 0) << strerror(errno);
  ASSERT_EQ(listen(server.get(), 1), 0);
  EXPECT_EQ(connect(client.get(), sa, sizeof(address)), 0) << strerror(errno);
  EXPECT_TRUE(S_ISSOCK(Stat(Mnt("sock")).st_mode));
  EXPECT_EQ(mknod(Mnt("dev").c_str(), S_IFCHR | 0600, 0x103), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(PosixTest, StatfsIsTheHosts) {
  struct statvfs host, here;
  ASSERT_EQ(statvfs(Host().c_str(), &host), 0);
  ASSERT_EQ(statvfs(Mnt().c_str(), &here), 0);
  EXPECT_EQ(here.f_blocks * here.f_frsize, host.f_blocks * host.f_frsize);
  EXPECT_EQ(here.f_namemax, 255u);
}

TEST_F(PosixTest, PermissionsAreChecked) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  Remount("allow_other");
  WriteFile(Mnt("secret"), "x");
  ASSERT_EQ(chmod(Mnt("secret").c_str(), 0600), 0);
  ASSERT_EQ(chmod(Tmp("").c_str(), 0755), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (setresuid(4321, 4321, 4321) != 0) _exit(2);
    const int fd = open(Mnt("secret").c_str(), O_RDONLY);
    _exit(fd == -1 && errno == EACCES ? 0 : 1);
  }
  EXPECT_EQ(WaitFor(child), 0);
}

TEST_F(PosixTest, ADirectoryRenamedOnTheHostIsFollowedByThoseInside) {
  ASSERT_EQ(mkdir(Mnt("was").c_str(), 0755), 0);
  WriteFile(Mnt("was/f"), "inside");
  UniqueFd dir = Open(Mnt("was"), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(rename(Host("was").c_str(), Host("is").c_str()), 0);
  Await("the new place", [&] {
    UniqueFd fd(openat(dir.get(), "f", O_RDONLY | O_CLOEXEC));
    return fd && ReadAll(fd) == "inside";
  });
  UniqueFd made(
      openat(dir.get(), "made", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  EXPECT_TRUE(made) << strerror(errno);
  EXPECT_TRUE(fs::exists(Host("is/made")));
}

TEST_F(PosixTest, AReadOnlyMountRefusesChanges) {
  WriteFile(Host("f"), "x");
  Remount("ro");
  EXPECT_EQ(ReadFile(Mnt("f")), "x");
  EXPECT_EQ(open(Mnt("f").c_str(), O_WRONLY), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(mkdir(Mnt("d").c_str(), 0755), -1);
  EXPECT_EQ(errno, EROFS);
}

}  // namespace
}  // namespace warmfs::testing
