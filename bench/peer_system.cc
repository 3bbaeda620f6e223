#include "bench/peer_system.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/interrupt.h"
#include "bench/mount_table.h"
#include "bench/subprocess.h"
#include "schema/unique_fd.h"

namespace warmfs::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr absl::Duration kPoll = absl::Milliseconds(5);

// Debian and others, Fedora, Arch and SUSE.
std::optional<std::string> FindSftpServer() {
  for (const char* path :
       {"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
        "/usr/lib/ssh/sftp-server"}) {
    if (access(path, X_OK) == 0) return path;
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<pid_t>> StartSshfs(const std::string& sftp_server,
                                              const std::string& directory,
                                              const std::string& mountpoint) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  UniqueFd client(fds[0]), server(fds[1]);
  auto serving = Spawn({.argv = {sftp_server}}, server.get());
  if (!serving.ok()) return serving.status();
  auto mounting = Spawn(
      {.argv = {"sshfs", "-f", "-o", "passive", ":" + directory, mountpoint}},
      client.get());
  if (!mounting.ok()) {
    kill(*serving, SIGTERM);
    waitpid(*serving, nullptr, 0);
    return mounting.status();
  }
  return std::vector<pid_t>{*mounting, *serving};
}

absl::StatusOr<std::vector<pid_t>> StartBindfs(const std::string& directory,
                                               const std::string& mountpoint) {
  absl::Status status =
      RunOrFail({.argv = {"bindfs", directory, mountpoint}}).status();
  if (!status.ok()) return status;
  return std::vector<pid_t>{};
}

}  // namespace

PeerSystem::PeerSystem(std::string name, const std::string& work_directory,
                       Starter start)
    : System(name),
      mountpoint_(work_directory + "/" + name + "-mount"),
      start_(std::move(start)) {
  std::error_code error;
  std::filesystem::create_directories(mountpoint_, error);
}

PeerSystem::~PeerSystem() { Unmount().IgnoreError(); }

bool PeerSystem::IsMounted() const {
  const std::string parent =
      std::filesystem::path(mountpoint_).parent_path().string();
  const std::vector<std::string> mounts = MountsBeneath(parent);
  return std::find(mounts.begin(), mounts.end(), mountpoint_) != mounts.end();
}

absl::Status PeerSystem::MountFresh() {
  auto processes = start_(mountpoint_);
  if (!processes.ok()) return processes.status();
  processes_ = *std::move(processes);
  return AwaitMount();
}

absl::Status PeerSystem::AwaitMount() {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!IsMounted()) {
    if (Interrupted()) return absl::CancelledError("interrupted");
    if (absl::Now() > deadline) {
      Reap();
      return absl::DeadlineExceededError(name() + " did not mount");
    }
    absl::SleepFor(kPoll);
  }
  return absl::OkStatus();
}

absl::Status PeerSystem::Unmount() {
  absl::Status status;
  if (IsMounted()) {
    status = Detach(mountpoint_, /*lazy=*/false);
    if (!status.ok()) Detach(mountpoint_, /*lazy=*/true).IgnoreError();
  }
  Reap();
  return status;
}

// They end by themselves once it is unmounted; one that was never mounted does
// not.
void PeerSystem::Reap() {
  for (const pid_t pid : processes_) kill(pid, SIGTERM);
  for (const pid_t pid : processes_) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  processes_.clear();
}

std::vector<std::unique_ptr<System>> FindPeers(
    const std::string& directory, const std::string& work_directory,
    std::vector<std::string>& notes) {
  std::vector<std::unique_ptr<System>> peers;
  const auto sftp_server = FindSftpServer();
  if (FindProgram("sshfs") && sftp_server) {
    peers.push_back(std::make_unique<PeerSystem>(
        "sshfs", work_directory, [=](const std::string& mountpoint) {
          return StartSshfs(*sftp_server, directory, mountpoint);
        }));
  } else {
    notes.push_back("sshfs is left out: it or sftp-server is not installed");
  }
  if (FindProgram("bindfs")) {
    peers.push_back(std::make_unique<PeerSystem>(
        "bindfs", work_directory, [=](const std::string& mountpoint) {
          return StartBindfs(directory, mountpoint);
        }));
  } else {
    notes.push_back("bindfs is left out: it is not installed");
  }
  return peers;
}

}  // namespace warmfs::bench
