#include "tests/integration/mount_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "schema/unique_fd.h"

namespace warmfs::testing {
namespace {

namespace fs = std::filesystem;

bool CanUseFuse() {
  const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

void SetOld(const std::string& path) {
  const timespec times[2] = {{1'600'000'000, 0}, {1'600'000'000, 123'456'789}};
  utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

}  // namespace

std::string Program(const std::string& name) {
  // Tests and programs lie in one directory.
  return fs::read_symlink("/proc/self/exe").parent_path() / name;
}

pid_t Start(const std::vector<std::string>& argv, const std::string& log) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  if (!log.empty()) {
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
  }
  std::vector<char*> args;
  for (const std::string& arg : argv) {
    args.push_back(const_cast<char*>(arg.c_str()));
  }
  args.push_back(nullptr);
  execvp(args[0], args.data());
  _exit(127);
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Output Execute(const std::vector<std::string>& argv) {
  char log[] = "/tmp/warmfs-output-XXXXXX";
  close(mkstemp(log));
  Output output;
  output.code = WaitFor(Start(argv, log));
  output.text = ReadFile(log);
  unlink(log);
  return output;
}

Output Shell(const std::string& line) {
  return Execute({"/bin/sh", "-c", line});
}

int FreePort() {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd.get(), any, size), 0) << strerror(errno);
  EXPECT_EQ(getsockname(fd.get(), any, &size), 0) << strerror(errno);
  return ntohs(address.sin_port);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  ASSERT_TRUE(out) << path;
}

void MountTest::SetUp() {
  if (!CanUseFuse()) GTEST_SKIP() << "no /dev/fuse here";
  ASSERT_EQ(mkdir(host_.c_str(), 0755), 0);
  ASSERT_EQ(mkdir(mnt_.c_str(), 0755), 0);
  // Another host daemon than this build's: the begin of an endpoint, to which
  // the directory is added.
  if (const char* host = getenv("WARMFS_TEST_HOST")) source_ = host + host_;
}

void MountTest::TearDown() {
  if (client_ != 0) {
    umount2(mnt_.c_str(), MNT_DETACH);
    kill(client_, SIGTERM);
    WaitFor(client_);
  }
  if (HasFailure()) {
    std::printf("the client's log:\n%s\n", ReadFile(Tmp("log")).c_str());
  }
}

void MountTest::Mount(const std::string& options) {
  ASSERT_EQ(client_, 0);
  const std::string all =
      "cache=" + Cache() + (options.empty() ? "" : "," + options);
  struct stat before, now;
  ASSERT_EQ(stat(mnt_.c_str(), &before), 0);
  client_ = Start({Program("warmfs"), "mount", source_, mnt_, "-f", "-o", all},
                  Tmp("log"));
  Await("the mount", [&] {
    return stat(mnt_.c_str(), &now) == 0 && now.st_dev != before.st_dev;
  });
}

int MountTest::Unmount() {
  EXPECT_EQ(umount2(mnt_.c_str(), 0), 0) << strerror(errno);
  return AwaitEnd();
}

void MountTest::KillClient() {
  const pid_t client = std::exchange(client_, 0);
  kill(client, SIGKILL);
  WaitFor(client);
  umount2(mnt_.c_str(), MNT_DETACH);
}

nlohmann::json MountTest::Status() {
  const Output output = Execute({Program("warmfs"), "status", "--json", mnt_});
  EXPECT_EQ(output.code, 0) << output.text;
  const auto all = nlohmann::json::parse(output.text, nullptr, false);
  EXPECT_TRUE(all.is_array() && all.size() == 1) << output.text;
  return all.is_array() && all.size() == 1 ? all[0] : nlohmann::json::object();
}

uint64_t MountTest::Requests() {
  return Status()["requests"]["total"].get<uint64_t>();
}

uint64_t MountTest::Requests(const std::string& kind) {
  return Status()["requests"]["by_kind"].value(kind, uint64_t{0});
}

void MountTest::ExpectWarm(int files) {
  const auto before = Status()["requests"]["by_kind"];
  uint64_t fewest = UINT64_MAX;
  for (int walk = 0; walk < 5; ++walk) {
    const uint64_t requests = Requests();
    EXPECT_EQ(WalkAndRead(Mnt()), files);
    fewest = std::min(fewest, Requests() - requests);
  }
  EXPECT_EQ(fewest, 0);
  const auto after = Status()["requests"]["by_kind"];
  for (const auto& [kind, count] : after.items()) {
    // A READ makes the kernel ask for the attributes too.
    if (kind == "read" || kind == "readdirplus" || kind == "getattr") continue;
    EXPECT_EQ(count.get<uint64_t>(), before.value(kind, uint64_t{0})) << kind;
  }
}

uint64_t MountTest::Rpcs() { return Status()["rpc"]["calls"].get<uint64_t>(); }

uint64_t MountTest::Rpcs(const std::string& method) {
  const auto methods = Status()["rpc"]["methods"];
  return methods.contains(method) ? methods[method]["calls"].get<uint64_t>()
                                  : 0;
}

uint64_t MountTest::Dropped() {
  return Status()["cache"]["dropped_edits"].get<uint64_t>();
}

void MountTest::MakeTree(int directories, int files) {
  for (int d = 0; d < directories; ++d) {
    const std::string dir = Host("d" + std::to_string(d));
    fs::create_directory(dir);
    for (int f = 0; f < files; ++f) {
      const std::string path = dir + "/f" + std::to_string(f);
      WriteFile(path, std::string((d * 37 + f * 101) % 5000, 'a' + f % 26));
      SetOld(path);
    }
  }
  // Once a clock tick has passed, no version is racy any more.
  WriteFile(Tmp("tick"), "");
  struct stat made, now;
  stat(Tmp("tick").c_str(), &made);
  Await("the clock", [&] {
    WriteFile(Tmp("tock"), "");
    stat(Tmp("tock").c_str(), &now);
    const int64_t passed =
        (now.st_ctim.tv_sec - made.st_ctim.tv_sec) * 1'000'000'000 +
        now.st_ctim.tv_nsec - made.st_ctim.tv_nsec;
    return passed > 40'000'000;
  });
}

void MountTest::WriteHost(const std::string& name, const std::string& content) {
  WriteFile(Host(name), content);
  char position[64];
  if (getxattr(Mnt("").c_str(), "user.warmfs.sync", position,
               sizeof(position)) > 0) {
    return;
  }
  Await("the host's file",
        [&] { return access(Mnt(name).c_str(), F_OK) == 0; });
}

int WalkAndRead(const std::string& path) {
  int files = 0;
  char buffer[64 * 1024];
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    struct stat st;
    EXPECT_EQ(lstat(entry.path().c_str(), &st), 0) << entry.path();
    if (!S_ISREG(st.st_mode)) continue;
    const int fd = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_GE(fd, 0) << entry.path() << ": " << strerror(errno);
    off_t bytes = 0;
    for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) bytes += n;
    EXPECT_EQ(bytes, st.st_size) << entry.path();
    close(fd);
    ++files;
  }
  return files;
}

}  // namespace warmfs::testing
