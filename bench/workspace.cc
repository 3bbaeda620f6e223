#include "bench/workspace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <vector>

#include "bench/mount_table.h"

namespace warmfs::bench {
namespace {

constexpr int kSweepAttempts = 50;
constexpr useconds_t kSweepPauseUs = 100'000;

bool DetachAll(const std::string& directory) {
  std::vector<std::string> mounts = MountsBeneath(directory);
  for (auto it = mounts.rbegin(); it != mounts.rend(); ++it) {
    Detach(*it, /*lazy=*/true).IgnoreError();
  }
  return MountsBeneath(directory).empty();
}

// Never beyond the file system that the directory is on: behind a mount are the
// user's own files.
void RemoveTree(const std::string& directory) {
  auto remove_one = [](const char* path, const struct stat*, int, FTW*) {
    remove(path);
    return 0;
  };
  nftw(directory.c_str(), remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

// A client that was just detached may still write to its cache, so this tries
// again for some seconds.
void Sweep(const std::vector<std::string>& directories) {
  for (int attempt = 0; attempt < kSweepAttempts; ++attempt) {
    bool gone = true;
    for (const std::string& directory : directories) {
      if (DetachAll(directory)) RemoveTree(directory);
      gone = gone && access(directory.c_str(), F_OK) != 0;
    }
    if (gone) return;
    usleep(kSweepPauseUs);
  }
}

// Reads names of directories, each ended by a NUL, until the benchmark is gone.
[[noreturn]] void Janitor(int from) {
  setsid();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_IGN);
  [[maybe_unused]] const int moved = chdir("/");
  std::string names;
  char buffer[4096];
  while (true) {
    const ssize_t n = read(from, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    names.append(buffer, n);
  }
  std::vector<std::string> directories;
  for (size_t at = 0; at < names.size();) {
    directories.emplace_back(names.c_str() + at);
    at += directories.back().size() + 1;
  }
  Sweep(directories);
  _exit(0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Workspace>> Workspace::Make() {
  const char* base = getenv("TMPDIR");
  std::string name =
      fmt::format("{}/warmfs-bench-XXXXXX",
                  base != nullptr && base[0] == '/' ? base : "/var/tmp");
  std::unique_ptr<Workspace> workspace(new Workspace());
  absl::Status started = workspace->StartJanitor();
  if (!started.ok()) return started;
  if (mkdtemp(name.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, name + " (set TMPDIR)");
  }
  workspace->Tell(name);
  char* real = realpath(name.c_str(), nullptr);
  workspace->directory_ = real == nullptr ? name : real;
  free(real);
  return workspace;
}

absl::Status Workspace::StartJanitor() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  UniqueFd from(fds[0]);
  to_janitor_ = UniqueFd(fds[1]);
  janitor_ = fork();
  if (janitor_ < 0) return absl::ErrnoToStatus(errno, "fork");
  if (janitor_ == 0) {
    to_janitor_.Reset();
    Janitor(from.get());
  }
  return absl::OkStatus();
}

void Workspace::Tell(const std::string& directory) {
  // With its NUL. A pipe takes this at once, or the janitor is gone.
  [[maybe_unused]] const ssize_t n =
      write(to_janitor_.get(), directory.c_str(), directory.size() + 1);
}

absl::Status Workspace::MakeScratch(const std::string& source) {
  const std::string path = source + "/" + kScratchName;
  if (mkdir(path.c_str(), 0700) == 0) {
    Tell(path);
    return absl::OkStatus();
  }
  switch (errno) {
    case EEXIST:
      return absl::FailedPreconditionError(fmt::format(
          "{} exists: another benchmark runs, or was cut off; remove it",
          path));
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(source + " is not writable");
    default:
      return absl::ErrnoToStatus(errno, path);
  }
}

Workspace::~Workspace() {
  to_janitor_.Reset();
  while (janitor_ > 0 && waitpid(janitor_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace warmfs::bench
