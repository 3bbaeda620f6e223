// The command line: the ways to mount, the other endpoints, status, and
// warmfs-cache on a cache in use and at rest.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/integration/host_needs.h"
#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

namespace fs = std::filesystem;

class ToolsTest : public MountTest {
 protected:
  Output CacheTool(std::vector<std::string> args) {
    args.insert(args.begin(), Program("warmfs-cache"));
    return Execute(args);
  }
};

TEST_F(ToolsTest, MountReturnsOnceItAnswersAndUmountOnceTheCacheIsFree) {
  WriteFile(Host("f"), "x");
  for (int round = 0; round < 3; ++round) {
    const Output mounted = Execute(
        {Program("warmfs"), "mount", Host(), Mnt(), "-o", "cache=" + Cache()});
    ASSERT_EQ(mounted.code, 0) << mounted.text;
    EXPECT_EQ(ReadFile(Mnt("f")), "x");
    const Output unmounted = Execute({Program("warmfs"), "umount", Mnt()});
    EXPECT_EQ(unmounted.code, 0) << unmounted.text;
    EXPECT_EQ(CacheTool({"--cache", Cache(), "info"}).code, 0);
  }
}

// Neither the client nor its host daemon may keep what the user reads from
// open.
TEST_F(ToolsTest, TheOutputOfMountEndsWithTheCommand) {
  const Output piped =
      Shell("timeout 10 sh -c '" + Program("warmfs") + " mount " + Host() +
            " " + Mnt() + " -o cache=" + Cache() + " 2>&1 | cat'");
  EXPECT_EQ(piped.code, 0) << piped.text;
  EXPECT_EQ(Execute({Program("warmfs"), "umount", Mnt()}).code, 0);
}

TEST_F(ToolsTest, MountEightHelperFormsWork) {
  WriteFile(Host("f"), "x");
  fs::create_symlink(Program("warmfs"), Tmp("mount.warmfs"));
  const Output helper = Execute({Tmp("mount.warmfs"), Host(), Mnt(), "-n", "-o",
                                 "rw,nodev,_netdev,x-test,cache=" + Cache()});
  ASSERT_EQ(helper.code, 0) << helper.text;
  EXPECT_EQ(ReadFile(Mnt("f")), "x");
  ASSERT_EQ(Execute({Program("warmfs"), "umount", Mnt()}).code, 0);
  const Output bare =
      Execute({Program("warmfs"), Host(), Mnt(), "-o", "rw,cache=" + Cache()});
  ASSERT_EQ(bare.code, 0) << bare.text;
  EXPECT_EQ(ReadFile(Mnt("f")), "x");
  EXPECT_EQ(Execute({Program("warmfs"), "umount", Mnt()}).code, 0);
}

TEST_F(ToolsTest, SigtermUnmountsCleanly) {
  Mount();
  kill(client(), SIGTERM);
  struct stat host, here;
  Await("the unmount", [&] {
    return stat(Tmp("").c_str(), &host) == 0 &&
           stat(Mnt().c_str(), &here) == 0 && host.st_dev == here.st_dev;
  });
}

TEST_F(ToolsTest, ACommandOnStandardStreamsServesAllWorkers) {
  MakeTree(4, 50);
  SetSource("exec:" + Program("warmfs-hostd") +
            " --quiet --stdio --export default=" + Host());
  Mount("workers=4");
  EXPECT_EQ(WalkAndRead(Mnt()), 200);
  WriteFile(Mnt("big"), std::string(5 << 20, 'b'));
  EXPECT_TRUE(ReadFile(Host("big")) == std::string(5 << 20, 'b'));
  EXPECT_TRUE(ReadFile(Mnt("big")) == std::string(5 << 20, 'b'));
  EXPECT_EQ(Unmount(), 0);
}

TEST_F(ToolsTest, StatusTellsOfTheMount) {
  WriteFile(Host("f"), "x");
  Mount("ttl=5");
  EXPECT_EQ(ReadFile(Mnt("f")), "x");
  const auto status = Status();
  EXPECT_EQ(status["mountpoint"], Mnt());
  EXPECT_EQ(status["source"], source());
  EXPECT_EQ(status["connection"]["state"], "connected");
  EXPECT_EQ(status["ttl_s"], 5);
  EXPECT_EQ(status["cache"]["persistent"], true);
  EXPECT_GT(status["rpc"]["latency"]["p99_us"], 0);
  const Output text = Execute({Program("warmfs"), "status", Mnt()});
  EXPECT_NE(text.text.find("p99"), std::string::npos) << text.text;
}

TEST_F(ToolsTest, WarmFetchesASubtreeSoThatReadingItAsksForNothing) {
  MakeTree(3, 40);
  Mount("ttl=3600");
  const Output warmed = CacheTool({"warm", Mnt()});
  ASSERT_EQ(warmed.code, 0) << warmed.text;
  EXPECT_NE(warmed.text.find("120 files"), std::string::npos) << warmed.text;
  const uint64_t reads = Rpcs("read");
  const auto listings = Status()["listings"];
  EXPECT_EQ(WalkAndRead(Mnt()), 120);
  EXPECT_EQ(Rpcs("read"), reads);
  EXPECT_EQ(Rpcs("lookup"), 0);
  // The kernel had forgotten the directories: each is confirmed, none is sent.
  EXPECT_EQ(Status()["listings"]["fetched"], listings["fetched"]);
  EXPECT_LT(Rpcs("read"), 120) << "small files are fetched together";
}

TEST_F(ToolsTest, ToolsShowTheSameInUseAndAtRest) {
  MakeTree(2, 5);
  Mount("ttl=3600");
  ASSERT_EQ(WalkAndRead(Mnt()), 10);
  const std::string content = ReadFile(Mnt("d1/f3"));
  const Output in_use_ls = CacheTool({"ls", Mnt("d1")});
  const Output in_use_cat = CacheTool({"cat", Mnt("d1/f3")});
  EXPECT_EQ(in_use_cat.text, content);
  EXPECT_NE(in_use_ls.text.find("f3"), std::string::npos) << in_use_ls.text;
  EXPECT_EQ(CacheTool({"--cache", Cache(), "cat", "d1/f3"}).text, content)
      << "--cache of a cache in use goes through its mount";
  Unmount();
  EXPECT_EQ(CacheTool({"--cache", Cache(), "ls", "d1"}).text, in_use_ls.text);
  EXPECT_EQ(CacheTool({"--cache", Cache(), "cat", "d1/f3"}).text, content);
  const Output stat =
      CacheTool({"--cache", Cache(), "--json", "stat", "d1/f3"});
  const auto line = nlohmann::json::parse(stat.text, nullptr, false);
  ASSERT_TRUE(line.is_object()) << stat.text;
  EXPECT_EQ(line["size"], content.size());
  const Output du = CacheTool({"--cache", Cache(), "du"});
  EXPECT_NE(du.text.find("d0"), std::string::npos) << du.text;
  const Output verify = CacheTool({"--cache", Cache(), "verify"});
  EXPECT_EQ(verify.code, 0) << verify.text;
  EXPECT_NE(verify.text.find("0 bad blocks"), std::string::npos);
}

TEST_F(ToolsTest, WarmWorksOnACacheAtRest) {
  MakeTree(2, 30);
  Mount();
  Unmount();
  const Output warmed = CacheTool({"--cache", Cache(), "warm"});
  ASSERT_EQ(warmed.code, 0) << warmed.text;
  Mount("ttl=3600");
  EXPECT_EQ(WalkAndRead(Mnt()), 60);
  EXPECT_EQ(Rpcs("read"), 0);
}

TEST_F(ToolsTest, EvictAndClearCostAFetchAndNothingElse) {
  MakeTree(2, 5);
  Mount("ttl=3600");
  ASSERT_EQ(WalkAndRead(Mnt()), 10);
  EXPECT_EQ(CacheTool({"evict", Mnt("d0")}).code, 0);
  EXPECT_NE(CacheTool({"cat", Mnt("d0/f1")}).code, 0);
  EXPECT_EQ(CacheTool({"cat", Mnt("d1/f1")}).code, 0);
  EXPECT_EQ(CacheTool({"evict", "--to", "0", Mnt()}).code, 0);
  EXPECT_EQ(Status()["cache"]["content_bytes"], 0);
  EXPECT_EQ(CacheTool({"clear", Mnt()}).code, 0);
  EXPECT_EQ(WalkAndRead(Mnt()), 10);
  Remount("ttl=3600");
  EXPECT_EQ(WalkAndRead(Mnt()), 10);
}

TEST_F(ToolsTest, HostLocksExcludeTheHostsOwnProcesses) {
  WriteFile(Host("lock"), "");
  Mount("locks=host");
  WARMFS_TEST_NEEDS(Need::kHostLocks);
  EXPECT_EQ(Status()["locks"], "host");
  // A process of the host holds it, one of the VM waits for it.
  const pid_t holder = Start(
      {"flock", Host("lock"), "-c", "touch " + Tmp("held") + "; sleep 60"});
  Await("the lock", [&] { return fs::exists(Tmp("held")); });
  EXPECT_NE(Execute({"flock", "-n", Mnt("lock"), "true"}).code, 0);
  const pid_t waiter =
      Start({"flock", Mnt("lock"), "touch", Tmp("waiter-got-it")});
  EXPECT_FALSE(fs::exists(Tmp("waiter-got-it")));
  Shell("pkill -P " + std::to_string(holder));
  kill(holder, SIGKILL);
  WaitFor(holder);
  EXPECT_EQ(WaitFor(waiter), 0);
  EXPECT_TRUE(fs::exists(Tmp("waiter-got-it")));
  // And the other way round; the kernel gives it back at close.
  const Output held =
      Execute({"flock", Mnt("lock"), "flock", "-n", Host("lock"), "true"});
  EXPECT_NE(held.code, 0);
  Await("the unlock", [&] {
    return Execute({"flock", "-n", Host("lock"), "true"}).code == 0;
  });
}

TEST_F(ToolsTest, HostLocksOfRangesExcludeBothWays) {
  WriteFile(Host("db"), std::string(100, 'x'));
  Mount("locks=host");
  WARMFS_TEST_NEEDS(Need::kHostLocks);
  const std::string python =
      "import fcntl,sys,os\n"
      "def lock(path,start):\n"
      "  f=os.open(path,os.O_RDWR)\n"
      "  fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB,10,start)\n"
      "  return f\n"
      "vm=lock(sys.argv[1],0)\n"
      "pid=os.fork()\n"
      "if pid==0:\n"
      "  lock(sys.argv[2],20)\n"
      "  try: lock(sys.argv[2],5)\n"
      "  except OSError: os._exit(0)\n"
      "  os._exit(1)\n"
      "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid,0)[1]))\n";
  WriteFile(Tmp("lock.py"), python);
  const Output output =
      Execute({"python3", Tmp("lock.py"), Mnt("db"), Host("db")});
  EXPECT_EQ(output.code, 0) << output.text;
}

}  // namespace
}  // namespace warmfs::testing
