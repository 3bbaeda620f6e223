// locks=host on a real mount, over a daemon that is killed and started again:
// whoever holds a lock goes on holding it, or it is said that it does not.

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "schema/unique_fd.h"
#include "tests/integration/hostd.h"
#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

// fcntl's lock on ten bytes, for this process.
int LockRange(int fd, int command = F_SETLK, short type = F_WRLCK) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_start = 10;
  lock.l_len = 10;
  return fcntl(fd, command, &lock);
}

// Another process, which holds the lock on a file of the host.
class Rival {
 public:
  Rival(const std::string& path, const std::string& sign) {
    pid_ = fork();
    if (pid_ == 0) {
      // It has nothing to do with the mount, as if it were on another machine.
      close_range(3, ~0U, 0);
      const int fd = open(path.c_str(), O_RDWR);
      if (LockRange(fd, F_SETLKW) == 0) WriteFile(sign, "");
      pause();
      _exit(1);
    }
    Await("the rival", [&] { return access(sign.c_str(), F_OK) == 0; });
  }
  ~Rival() { End(); }
  void End() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    WaitFor(std::exchange(pid_, 0));
  }

 private:
  pid_t pid_ = 0;
};

class LockTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    WriteFile(Host("range"), std::string(100, 'x'));
    WriteFile(Host("whole"), "x");
    hostd_.Start();
    SetSource(hostd_.endpoint());
    Mount("locks=host");
  }

  UniqueFd Open(const std::string& path) {
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_TRUE(fd) << path << ": " << strerror(errno);
    return fd;
  }
  // Another process takes the lock and gives it back.
  static bool AnotherCanLockRange(const std::string& path) {
    const pid_t child = fork();
    if (child == 0) {
      const int fd = open(path.c_str(), O_RDWR);
      _exit(fd < 0 ? 2 : LockRange(fd) == 0 ? 0 : 1);
    }
    const int code = WaitFor(child);
    EXPECT_LT(code, 2) << path;
    return code == 0;
  }
  static bool AnotherCanLockWhole(const std::string& path) {
    return Execute({"flock", "-n", path, "true"}).code == 0;
  }
  nlohmann::json Locks() { return Status()["host_locks"]; }

  Hostd hostd_{{.directory = Host(),
                .listen = "unix:" + Tmp("hostd.sock"),
                .token_file = ""}};
};

TEST_F(LockTest, AreTakenAgainFromADaemonThatWasKilled) {
  const UniqueFd range = Open(Mnt("range")), whole = Open(Mnt("whole"));
  ASSERT_EQ(LockRange(range.get()), 0) << strerror(errno);
  ASSERT_EQ(flock(whole.get(), LOCK_EX | LOCK_NB), 0) << strerror(errno);
  EXPECT_EQ(Locks()["held"], 2);
  for (int round = 1; round <= 2; ++round) {
    hostd_.Replace();
    // Nobody uses the mount: it is the client that notices.
    Await("the locks", [&] { return Locks()["restored"] == 2 * round; });
    ASSERT_FALSE(HasFailure());
    EXPECT_FALSE(AnotherCanLockRange(Host("range")));
    EXPECT_FALSE(AnotherCanLockWhole(Host("whole")));
    EXPECT_FALSE(AnotherCanLockRange(Mnt("range")));
    EXPECT_FALSE(AnotherCanLockWhole(Mnt("whole")));
  }
  EXPECT_TRUE(Locks()["lost"].empty());
  ASSERT_EQ(LockRange(range.get(), F_SETLK, F_UNLCK), 0);
  ASSERT_EQ(flock(whole.get(), LOCK_UN), 0);
  EXPECT_TRUE(AnotherCanLockRange(Host("range")));
  EXPECT_TRUE(AnotherCanLockWhole(Host("whole")));
  EXPECT_EQ(Locks()["held"], 0);
}

TEST_F(LockTest, OneThatAProcessOfTheHostTookMeanwhileIsSaidToBeLost) {
  UniqueFd range = Open(Mnt("range")), whole = Open(Mnt("whole"));
  ASSERT_EQ(LockRange(range.get()), 0) << strerror(errno);
  ASSERT_EQ(flock(whole.get(), LOCK_EX | LOCK_NB), 0) << strerror(errno);
  hostd_.Stop(SIGKILL);
  Rival rival(Host("range"), Tmp("held"));
  hostd_.Start();
  Await("the loss", [&] { return Locks()["lost"].size() == 1; });
  ASSERT_FALSE(HasFailure());
  const auto lost = Locks()["lost"][0];
  EXPECT_EQ(lost["path"], "range");
  EXPECT_EQ(lost["kind"], "fcntl");
  EXPECT_EQ(lost["start"], 10);
  EXPECT_EQ(lost["length"], 10);
  EXPECT_FALSE(AnotherCanLockWhole(Host("whole"))) << "the other one is held";
  const Output text = Execute({Program("warmfs"), "status", Mnt()});
  EXPECT_NE(text.text.find("LOST LOCKS  1"), std::string::npos) << text.text;
  EXPECT_NE(ReadFile(Tmp("log")).find("lost its lock on the host's 'range'"),
            std::string::npos);
  rival.End();
  EXPECT_EQ(Locks()["lost"].size(), 1u) << "it is not taken in silence";
  range.Reset();
  Await("the close", [&] { return Locks()["lost"].empty(); });
}

// Two processes of this machine exclude each other all the while.
TEST_F(LockTest, ExcludeWhileTheDaemonIsKilledAgainAndAgain) {
  constexpr int kProcesses = 4, kTurns = 60;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    const int fd = open(Mnt("counter").c_str(), O_RDWR | O_CREAT, 0644);
    for (int i = 0; i < kTurns; ++i) {
      char text[16] = {};
      if (flock(fd, LOCK_EX) != 0 || pread(fd, text, 15, 0) < 0) _exit(1);
      const std::string next = std::to_string(atoi(text) + 1);
      if (pwrite(fd, next.data(), next.size(), 0) < 0) _exit(2);
      if (flock(fd, LOCK_UN) != 0) _exit(3);
    }
    _exit(0);
  }
  for (int last = 0; last < kProcesses * kTurns * 3 / 4;) {
    const int wanted = last + kProcesses * kTurns / 8;
    Await("some turns", [&] {
      last = atoi(ReadFile(Host("counter")).c_str());
      return last >= wanted;
    });
    if (HasFailure()) break;
    hostd_.Replace();
  }
  for (const pid_t child : children) EXPECT_EQ(WaitFor(child), 0);
  EXPECT_EQ(ReadFile(Host("counter")), std::to_string(kProcesses * kTurns));
  EXPECT_TRUE(Locks()["lost"].empty()) << Locks();
}

}  // namespace
}  // namespace warmfs::testing
