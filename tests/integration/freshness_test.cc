// Always fresh, on real mounts: host edits are seen at once and after `warmfs
// sync` without fail, the mount's own work costs nothing twice, and what is
// known survives restarts.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "tests/integration/host_needs.h"
#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

namespace fs = std::filesystem;

class FreshTest : public MountTest {
 protected:
  void Sync() {
    const Output sync = Execute({Program("warmfs"), "sync", Mnt()});
    ASSERT_EQ(sync.code, 0) << sync.text;
  }
  uint64_t Journal(const char* field) {
    return Status()["journal"][field].get<uint64_t>();
  }
  // Requests to the host but for those that follow the journal, and those that
  // give orphans back, some time after.
  // From one status: calls of the journal end at any time.
  uint64_t Work() {
    const auto rpc = Status()["rpc"];
    const auto calls = [&](const char* method) {
      return rpc["methods"].contains(method)
                 ? rpc["methods"][method]["calls"].get<uint64_t>()
                 : 0;
    };
    return rpc["calls"].get<uint64_t>() - calls("next") - calls("fence") -
           calls("release");
  }
  uint64_t Raised() {
    uint64_t sum = 0;
    const auto status = Status();
    for (const auto& count : status["injections"]["raised"]) {
      sum += count.get<uint64_t>();
    }
    return sum;
  }
};

std::string Describe(const std::string& path) {
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) return strerror(errno);
  std::string text =
      std::to_string(st.st_ino) + " " + std::to_string(st.st_mode) + " " +
      std::to_string(st.st_nlink) + " " + std::to_string(st.st_mtim.tv_sec) +
      "." + std::to_string(st.st_mtim.tv_nsec);
  // What a directory's size and link count are is the file system's affair.
  if (S_ISDIR(st.st_mode)) return std::to_string(st.st_mode);
  if (S_ISREG(st.st_mode)) text += " " + ReadFile(path);
  return text;
}

// Every name and all that is to be seen of it.
std::map<std::string, std::string> Snapshot(const std::string& root) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    all[entry.path().string().substr(root.size())] = Describe(entry.path());
  }
  return all;
}

void ExpectSame(const std::string& host, const std::string& mount,
                const std::string& when) {
  const auto expected = Snapshot(host);
  const auto seen = Snapshot(mount);
  for (const auto& [path, what] : expected) {
    const auto it = seen.find(path);
    ASSERT_NE(it, seen.end()) << when << ": " << path << " is not seen";
    ASSERT_EQ(it->second, what)
        << when << ": " << path << "\n"
        << Execute({Program("warmfs"), "why", mount + path}).text;
  }
  for (const auto& [path, what] : seen) {
    ASSERT_TRUE(expected.contains(path))
        << when << ": " << path << " is seen and is not there";
  }
}

TEST_F(FreshTest, AnEditOnTheHostIsSeenAfterSync) {
  WriteFile(Host("f"), "old");
  Mount();
  EXPECT_EQ(Status()["freshness"], "lease");
  EXPECT_EQ(ReadFile(Mnt("f")), "old");
  WriteFile(Host("f"), "newer");
  Sync();
  EXPECT_EQ(ReadFile(Mnt("f")), "newer");
}

// The twin: when nobody tells the kernel, it goes on showing the old.
TEST_F(FreshTest, WithoutTheJournalTheSameEditIsNotSeenBeforeTheTtl) {
  WriteFile(Host("f"), "old");
  Mount("freshness=check,ttl=600");
  EXPECT_EQ(ReadFile(Mnt("f")), "old");
  WriteFile(Host("f"), "newer");
  EXPECT_EQ(ReadFile(Mnt("f")), "old");
  const Output sync = Execute({Program("warmfs"), "sync", Mnt()});
  EXPECT_EQ(sync.code, 1);
  EXPECT_THAT(sync.text, ::testing::HasSubstr("freshness=check"));
}

TEST_F(FreshTest, AnExtendedAttributeIsAFenceToo) {
  WriteFile(Host("f"), "old");
  Mount();
  EXPECT_EQ(ReadFile(Mnt("f")), "old");
  WriteFile(Host("f"), "newer");
  char position[64] = {};
  ASSERT_GT(
      getxattr(Mnt().c_str(), "user.warmfs.sync", position, sizeof(position)),
      0)
      << strerror(errno);
  EXPECT_EQ(ReadFile(Mnt("f")), "newer");
}

// All workers of the mount would be in it at once, if they waited.
TEST_F(FreshTest, ManyFencesAtOnceDoNotStarveTheMount) {
  WriteFile(Host("f"), "old");
  Mount("workers=2");
  ReadFile(Mnt("f"));
  std::vector<std::thread> fences;
  std::atomic<int> done = 0;
  for (int i = 0; i < 16; ++i) {
    fences.emplace_back([&, i] {
      WriteFile(Host("f" + std::to_string(i)), "x");
      char position[64];
      done += getxattr(Mnt().c_str(), "user.warmfs.sync", position,
                       sizeof(position)) > 0;
    });
  }
  for (std::thread& fence : fences) fence.join();
  EXPECT_EQ(done, 16);
}

TEST_F(FreshTest, WarmUnderALeaseIsSilentForEver) {
  MakeTree(5, 20);
  Mount("ttl=0.01");
  WalkAndRead(Mnt());
  WalkAndRead(Mnt());
  Sync();
  const uint64_t work = Work();
  usleep(50'000);  // the ttl is over, and does not matter
  ExpectWarm(100);
  EXPECT_EQ(Work(), work);
}

TEST_F(FreshTest, OurOwnWorkRaisesNothingAndIsNotFetchedAgain) {
  Mount();
  WARMFS_TEST_NEEDS(Need::kSymbolicLinks);
  const Output worked = Shell(
      "cd " + Mnt() +
      " && mkdir -p a/b c && for i in 1 2 3 4 5 6 7 8 9; do echo $i > a/$i; "
      "cp a/$i c/; mv c/$i a/b/x$i; done && rm a/1 && ln a/2 a/two && "
      "ln -s 2 a/link && chmod 600 a/3 && touch a/4 && rmdir c && "
      "echo more >> a/5 && mv a/b a/d && tar cf t.tar a && tar xf t.tar -C a");
  ASSERT_EQ(worked.code, 0) << worked.text;
  WalkAndRead(Mnt());
  const uint64_t work = Work();
  Sync();
  EXPECT_EQ(Raised(), 0u);
  WalkAndRead(Mnt());
  EXPECT_EQ(Work(), work) << "an echo made something be asked again";
  EXPECT_GT(Journal("own"), 0u);
  EXPECT_EQ(Journal("own"), Journal("events"));
  ExpectSame(Host(), Mnt(), "after our own work");
}

// --- restarts ---

class RestartTest : public FreshTest {
 protected:
  // A host daemon that outlives the client, as a VM's does.
  void StartHost() {
    daemon_ = Start({Program("warmfs-hostd"), "--export", "default=" + Host(),
                     "--listen", "unix:" + Tmp("hostd.sock")},
                    Tmp("hostd.log"));
    Await("hostd",
          [&] { return access(Tmp("hostd.sock").c_str(), F_OK) == 0; });
    SetSource("unix:" + Tmp("hostd.sock"));
  }
  void KillHost() {
    kill(daemon_, SIGKILL);
    WaitFor(std::exchange(daemon_, 0));
    unlink(Tmp("hostd.sock").c_str());
  }
  void TearDown() override {
    if (daemon_ != 0) KillHost();
    FreshTest::TearDown();
  }
  uint64_t BytesRead() { return Status()["rpc"]["bytes_read"]; }

  // So many bytes of content are new.
  static constexpr uint64_t kChangedBytes = 7 + 3;
  void ChangeSome() {
    WriteFile(Host("d1/f3"), "changed");
    WriteFile(Host("d2/new"), "new");
    unlink(Host("d3/f1").c_str());
    rename(Host("d4/f1").c_str(), Host("d0/moved").c_str());
  }

  pid_t daemon_ = 0;
};

TEST_F(RestartTest, ARemountFetchesExactlyWhatChanged) {
  MakeTree(5, 20);
  StartHost();
  Mount();
  WalkAndRead(Mnt());
  Sync();
  Unmount();
  ChangeSome();
  Mount();
  EXPECT_EQ(WalkAndRead(Mnt()), 100);
  ExpectSame(Host(), Mnt(), "after a remount");
  EXPECT_EQ(Rpcs("list"), 0u);
  EXPECT_EQ(Rpcs("lookup"), 0u);
  // Of the moved one the hash is compared. One may come along with another.
  EXPECT_THAT(Rpcs("read"),
              ::testing::AllOf(::testing::Ge(1u), ::testing::Le(3u)));
  EXPECT_EQ(BytesRead(), kChangedBytes);
}

TEST_F(RestartTest, AKilledClientFetchesExactlyWhatChanged) {
  MakeTree(5, 20);
  StartHost();
  Mount();
  WalkAndRead(Mnt());
  Sync();
  // Which looks at the cache when all that was fetched is in it: of the last
  // second it need not be.
  EXPECT_EQ(Execute({Program("warmfs-cache"), "info", Mnt()}).code, 0);
  KillClient();
  ChangeSome();
  Mount();
  WalkAndRead(Mnt());
  ExpectSame(Host(), Mnt(), "after kill -9 of the client");
  EXPECT_EQ(Rpcs("list"), 0u);
  EXPECT_EQ(BytesRead(), kChangedBytes);
}

TEST_F(RestartTest,
       AHostThatWasKilledIsListedOncePerDirectoryAndReadWhatChanged) {
  MakeTree(5, 20);
  StartHost();
  Mount();
  WalkAndRead(Mnt());
  Sync();
  const uint64_t lists = Rpcs("list") + Rpcs("list_many");
  const uint64_t bytes = BytesRead();
  KillHost();
  ChangeSome();
  StartHost();
  Await("the new epoch", [&] { return Journal("epochs") == 2; });
  Sync();
  WalkAndRead(Mnt());
  ExpectSame(Host(), Mnt(), "after kill -9 of the host");
  // Five directories and the root; one message may be about several.
  EXPECT_GT(Rpcs("list") + Rpcs("list_many"), lists);
  EXPECT_LE(Rpcs("list") + Rpcs("list_many"), lists + 6);
  EXPECT_EQ(BytesRead(), bytes + kChangedBytes);
}

// --- against a model: the host's own directory ---

class Mutator {
 public:
  Mutator(std::string root, uint64_t seed)
      : root_(std::move(root)), random_(seed) {}

  // One change of some name; that it fails because the other side was faster is
  // no fault.
  void Step() {
    const std::string a = Name(), b = Name();
    switch (random_() % 9) {
      case 0:
      case 1:
        return Put(a, O_CREAT | O_TRUNC, Bytes());
      case 2:
        return Put(a, O_CREAT | O_APPEND, "+" + Bytes());
      case 3:
        return Put(a, 0, "overwritten");
      case 4:
        (void)!truncate(a.c_str(), static_cast<off_t>(random_() % 100));
        return;
      case 5:
        (void)rename(a.c_str(), b.c_str());
        return;
      case 6:
        Put(a + ".tmp", O_CREAT | O_TRUNC, Bytes());
        (void)rename((a + ".tmp").c_str(), a.c_str());
        return;
      case 7:
        (void)unlink(a.c_str());
        return;
      case 8:
        (void)link(a.c_str(), b.c_str());
        return;
    }
  }

 private:
  std::string Name() {
    return root_ + "/d" + std::to_string(random_() % 3) + "/f" +
           std::to_string(random_() % 12);
  }
  std::string Bytes() {
    return std::string(random_() % 300,
                       static_cast<char>('a' + random_() % 26));
  }
  void Put(const std::string& path, int flags, const std::string& bytes) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0644);
    if (fd < 0) return;
    (void)!write(fd, bytes.data(), bytes.size());
    close(fd);
  }

  const std::string root_;
  std::mt19937_64 random_;
};

TEST_F(FreshTest, RandomChangesOfBothSidesAtOnceAreNeverStaleAfterSync) {
  // The whole number is run by hand (CONTRIBUTING.md).
  const char* wanted = getenv("WARMFS_MUTATIONS");
  const int mutations = wanted == nullptr ? 6'000 : atoi(wanted);
  constexpr int kAtOnce = 100;
  for (int d = 0; d < 3; ++d) {
    fs::create_directory(Host("d" + std::to_string(d)));
  }
  Mount();
  WARMFS_TEST_NEEDS(Need::kNothingElse);
  WalkAndRead(Mnt());
  for (int round = 0; round < mutations / (2 * kAtOnce); ++round) {
    Mutator host(Host(), 2 * round + 1), vm(Mnt(), 2 * round + 2);
    std::thread on_host([&] {
      for (int i = 0; i < kAtOnce; ++i) host.Step();
    });
    for (int i = 0; i < kAtOnce; ++i) vm.Step();
    on_host.join();
    Sync();
    ExpectSame(Host(), Mnt(), "round " + std::to_string(round));
    if (HasFatalFailure()) return;
  }
}

// --- mappings (torn reads: torn_read_test.cc) ---

// A generation's file: its number on each of `lines` lines, of one length.
std::string Generation(int number, int lines) {
  char line[17];
  snprintf(line, sizeof(line), "%015d\n", number);
  std::string out;
  for (int i = 0; i < lines; ++i) out += line;
  return out;
}

TEST_F(FreshTest, AMappingShowsWhatTheHostWroteAfterTheFence) {
  WriteFile(Host("f"), Generation(1, 1000));
  Mount();
  const int fd = open(Mnt("f").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  const void* map = mmap(nullptr, 16'000, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(map, MAP_FAILED);
  const auto seen = [&] {
    return std::string(static_cast<const char*>(map), 16'000);
  };
  EXPECT_EQ(seen(), Generation(1, 1000));
  for (int n = 2; n < 30; ++n) {
    const int out = open(Host("f").c_str(), O_WRONLY | O_CLOEXEC);
    const std::string bytes = Generation(n, 1000);
    ASSERT_EQ(pwrite(out, bytes.data(), bytes.size(), 0), 16'000);
    close(out);
    Sync();
    ASSERT_EQ(seen(), bytes) << "generation " << n;
  }
  munmap(const_cast<void*>(map), 16'000);
  close(fd);
}

}  // namespace
}  // namespace warmfs::testing
