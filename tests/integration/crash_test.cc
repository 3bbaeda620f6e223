// Only a cache: whoever dies, and whenever, nothing that was acknowledged is
// lost, and the next mount works with the cache that is there.

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "schema/unique_fd.h"
#include "tests/integration/host_needs.h"
#include "tests/integration/hostd.h"
#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

class CrashTest : public MountTest {
 protected:
  void StartHostd() {
    hostd_.Start();
    SetSource(hostd_.endpoint());
  }

  // Appends numbered lines to files until an error; the last line of each that
  // was acknowledged.
  struct Written {
    std::atomic<int> files{0};
  };
  // Creates files one after the other; counts those whose close returned.
  void CreateUntilError(Written& written) {
    for (int i = 0;; ++i) {
      const std::string path = Mnt("w" + std::to_string(i));
      const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
      if (fd < 0) return;
      const std::string text = Text(i);
      const bool ok = write(fd, text.data(), text.size()) ==
                      static_cast<ssize_t>(text.size());
      if (close(fd) != 0 || !ok) return;
      written.files = i + 1;
    }
  }
  static std::string Text(int i) {
    return std::string(1000 + i % 5000, static_cast<char>('a' + i % 26));
  }
  void ExpectOnHost(int files) {
    for (int i = 0; i < files; ++i) {
      ASSERT_TRUE(ReadFile(Host("w" + std::to_string(i))) == Text(i)) << i;
    }
  }
  void ExpectCacheIsSound() {
    const Output verify =
        Execute({Program("warmfs-cache"), "--cache", Cache(), "verify"});
    EXPECT_EQ(verify.code, 0) << verify.text;
    EXPECT_NE(verify.text.find("0 bad blocks, 0 bad records"),
              std::string::npos)
        << verify.text;
  }

  Hostd hostd_{{.directory = Host(),
                .listen = "unix:" + Tmp("hostd.sock"),
                .token_file = ""}};
};

TEST_F(CrashTest, KilledClientLosesNothingThatWasAcknowledged) {
  MakeTree(3, 20);
  Mount();
  ASSERT_EQ(WalkAndRead(Mnt()), 60);
  Written written;
  std::thread writer([&] { CreateUntilError(written); });
  Await("some writes", [&] { return written.files > 100; });
  KillClient();
  writer.join();
  ExpectOnHost(written.files);
  ExpectCacheIsSound();
  Mount();
  EXPECT_GE(WalkAndRead(Mnt()), 60 + written.files);
  for (int i = 0; i < written.files; ++i) {
    ASSERT_TRUE(ReadFile(Mnt("w" + std::to_string(i))) == Text(i)) << i;
  }
}

TEST_F(CrashTest, ADeadMountIsReplacedByTheNextOne) {
  WriteFile(Host("f"), "x");
  ASSERT_EQ(Execute({Program("warmfs"), "mount", Host(), Mnt(), "-o",
                     "cache=" + Cache()})
                .code,
            0);
  const pid_t client = Status()["pid"].get<pid_t>();
  kill(client, SIGKILL);
  struct stat st;
  Await("the dead mount",
        [&] { return stat(Mnt("f").c_str(), &st) != 0 && errno == ENOTCONN; });
  const Output again = Execute(
      {Program("warmfs"), "mount", Host(), Mnt(), "-o", "cache=" + Cache()});
  EXPECT_EQ(again.code, 0) << again.text;
  EXPECT_EQ(ReadFile(Mnt("f")), "x");
  EXPECT_EQ(Execute({Program("warmfs"), "umount", Mnt()}).code, 0);
}

// It detaches the mount, and serves those who are inside until they leave.
TEST_F(CrashTest, AClientThatIsToldToStopServesFilesThatAreOpen) {
  Mount("locks=host");
  WARMFS_TEST_NEEDS(Need::kHostLocks);
  UniqueFd fd(open(Mnt("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(fd) << strerror(errno);
  kill(client(), SIGTERM);
  Await("the detached mount",
        [&] { return access(Mnt("f").c_str(), F_OK) != 0; });
  EXPECT_EQ(write(fd.get(), "written", 7), 7) << strerror(errno);
  EXPECT_EQ(ReadFile(Host("f")), "written");
  EXPECT_EQ(flock(fd.get(), LOCK_EX | LOCK_NB), 0) << strerror(errno);
  fd.Reset();
  EXPECT_EQ(AwaitEnd(), 0);
}

TEST_F(CrashTest, KilledHostdIsWaitedForAndNothingIsLost) {
  StartHostd();
  Mount();
  Written written;
  std::thread writer([&] { CreateUntilError(written); });
  for (int round = 0; round < 3; ++round) {
    const int before = written.files;
    Await("some writes", [&] { return written.files > before + 50; });
    hostd_.Replace();
  }
  const int before = written.files;
  Await("writes after the restarts",
        [&] { return written.files > before + 50; });
  KillClient();
  writer.join();
  ExpectOnHost(written.files);
}

TEST_F(CrashTest, CallsWaitForARestartedHostd) {
  StartHostd();
  WriteFile(Host("f"), "content");
  Mount("freshness=check,ttl=0");
  struct stat st;
  ASSERT_EQ(stat(Mnt("f").c_str(), &st), 0);
  EXPECT_EQ(hostd_.Stop(SIGTERM), 0);
  std::atomic<bool> done{false};
  std::string read;
  std::thread reader([&] {
    read = ReadFile(Mnt("f"));
    done = true;
  });
  EXPECT_FALSE(done);
  StartHostd();
  reader.join();
  EXPECT_EQ(read, "content");
}

TEST_F(CrashTest, AHostThatStaysAwayIsAnErrorAfterTheWait) {
  StartHostd();
  WriteFile(Host("f"), "content");
  Mount("freshness=check,ttl=0,host_wait=300ms");
  struct stat st;
  ASSERT_EQ(stat(Mnt("f").c_str(), &st), 0);
  hostd_.Stop(SIGKILL);
  EXPECT_EQ(stat(Mnt("f").c_str(), &st), -1);
  EXPECT_EQ(errno, EIO);
  const auto connection = Status()["connection"];
  EXPECT_EQ(connection["state"], "disconnected");
  EXPECT_NE(connection["trouble"].get<std::string>(), "");
  StartHostd();
  // A busy machine may need longer than the wait to connect.
  Await("the host", [&] { return stat(Mnt("f").c_str(), &st) == 0; });
}

TEST_F(CrashTest, AConnectionThatWasIdleForLongerThanTheWaitStillWorks) {
  WriteFile(Host("f"), "content");
  Mount("freshness=check,ttl=0,host_wait=200ms,workers=1");
  struct stat st;
  ASSERT_EQ(stat(Mnt("f").c_str(), &st), 0);
  usleep(500'000);  // idleness is what is tested
  EXPECT_EQ(stat(Mnt("f").c_str(), &st), 0) << strerror(errno);
  EXPECT_EQ(Status()["rpc"]["failures"], 0);
}

TEST_F(CrashTest, BothKilledDuringWritesAndTheCacheIsStillOfUse) {
  MakeTree(3, 20);
  StartHostd();
  Mount("ttl=3600");
  ASSERT_EQ(WalkAndRead(Mnt()), 60);
  Written written;
  std::thread writer([&] { CreateUntilError(written); });
  Await("some writes", [&] { return written.files > 100; });
  hostd_.Stop(SIGKILL);
  KillClient();
  writer.join();
  ExpectOnHost(written.files);
  ExpectCacheIsSound();
  StartHostd();
  Mount("ttl=3600");
  EXPECT_GE(WalkAndRead(Mnt()), 60 + written.files);
}

TEST_F(CrashTest, ADaemonKilledInTheMiddleOfARenameIsNotAnError) {
  StartHostd();
  Mount();
  WriteFile(Mnt("a"), "x");
  std::atomic<bool> stop{false};
  std::atomic<int> renames{0};
  std::thread renamer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string from = Mnt(i % 2 == 0 ? "a" : "b");
      const std::string to = Mnt(i % 2 == 0 ? "b" : "a");
      EXPECT_EQ(rename(from.c_str(), to.c_str()), 0)
          << i << " " << strerror(errno);
      ++renames;
    }
  });
  for (int round = 0; round < 5; ++round) {
    const int before = renames;
    Await("renames", [&] { return renames > before + 20; });
    hostd_.Replace();
  }
  stop = true;
  renamer.join();
  EXPECT_EQ(access(Host("a").c_str(), F_OK) == 0,
            access(Host("b").c_str(), F_OK) != 0);
}

}  // namespace
}  // namespace warmfs::testing
