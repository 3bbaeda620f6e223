#include "rpc/connector.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "rpc/mux.h"
#include "rpc/socket.h"

extern char** environ;

namespace warmfs::rpc {
namespace {

// A child process, ended and waited for when destroyed.
class Process {
 public:
  Process() = default;
  explicit Process(pid_t pid) : pid_(pid) {}
  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Process& operator=(Process&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Process() {
    if (pid_ == 0) return;
    kill(pid_, SIGTERM);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  pid_t pid_ = 0;
};

// Starts argv with `fds[i]` as its descriptor `targets[i]`, in a process group
// of its own: an interrupt typed at the client is not meant for it.
absl::StatusOr<Process> Spawn(const std::vector<std::string>& argv,
                              std::vector<std::pair<int, int>> fds) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (auto [fd, target] : fds) {
    posix_spawn_file_actions_adddup2(&actions, fd, target);
  }
  posix_spawnattr_t attr;
  posix_spawnattr_init(&attr);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setpgroup(&attr, 0);
  posix_spawnattr_setflags(&attr,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> args;
  for (const std::string& arg : argv) {
    args.push_back(const_cast<char*>(arg.c_str()));
  }
  args.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      posix_spawnp(&pid, args[0], &actions, &attr, args.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attr);
  if (error != 0) {
    return ErrnoStatus(error, "starting " + argv[0]);
  }
  return Process(pid);
}

// unix:, vsock: and tcp:, where connecting is all there is to do.
class SocketConnector : public Connector {
 public:
  explicit SocketConnector(Endpoint endpoint)
      : endpoint_(std::move(endpoint)) {}

  absl::StatusOr<UniqueFd> Connect(absl::Duration timeout) override {
    return ConnectSocket(endpoint_, timeout);
  }

 private:
  const Endpoint endpoint_;
};

// Firecracker's and Cloud Hypervisor's hybrid vsock, from the host's side:
// "CONNECT PORT\n" is answered "OK NUMBER\n", and then the stream is the
// guest's.
class HybridConnector : public Connector {
 public:
  explicit HybridConnector(Endpoint endpoint)
      : endpoint_(std::move(endpoint)) {}

  absl::StatusOr<UniqueFd> Connect(absl::Duration timeout) override {
    auto fd = ConnectSocket(endpoint_, timeout);
    if (!fd.ok()) return fd;
    const std::string hello = fmt::format("CONNECT {}\n", endpoint_.port);
    if (send(fd->get(), hello.data(), hello.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(hello.size())) {
      return ErrnoStatus(errno, "CONNECT");
    }
    return AwaitOk(*std::move(fd), absl::Now() + timeout);
  }

 private:
  // Byte by byte: what follows the newline is not ours to read.
  absl::StatusOr<UniqueFd> AwaitOk(UniqueFd fd, absl::Time deadline) {
    std::string line;
    while (line.size() < 64 && !line.ends_with('\n')) {
      pollfd p = {fd.get(), POLLIN, 0};
      const int64_t left = std::max<int64_t>(
          0, absl::ToInt64Milliseconds(deadline - absl::Now()));
      if (poll(&p, 1, left) <= 0) {
        return absl::UnavailableError(endpoint_.path +
                                      " does not answer the CONNECT handshake");
      }
      char c;
      if (read(fd.get(), &c, 1) != 1) {
        return absl::UnavailableError(
            fmt::format("nothing listens on port {} in the VM behind {}",
                        endpoint_.port, endpoint_.path));
      }
      line += c;
    }
    if (!line.starts_with("OK ") || !line.ends_with('\n')) {
      return absl::UnimplementedError(endpoint_.path +
                                      " does not speak the CONNECT handshake");
    }
    return fd;
  }

  const Endpoint endpoint_;
};

// A directory of this machine: a host daemon of our own, given connections over
// a socket pair (descriptor 3 there).
class ChildConnector : public Connector {
 public:
  explicit ChildConnector(std::string directory)
      : directory_(std::move(directory)) {}

  absl::StatusOr<UniqueFd> Connect(absl::Duration timeout) override {
    struct stat st;
    if (stat(directory_.c_str(), &st) != 0) {
      return ErrnoStatus(errno, directory_);
    }
    auto pair = SocketPair();
    if (!pair.ok()) return pair.status();
    absl::MutexLock lock(&mu_);
    if (control_ && SendFd(control_.get(), pair->second).ok()) {
      return std::move(pair->first);
    }
    if (absl::Status started = Start(); !started.ok()) return started;
    absl::Status sent = SendFd(control_.get(), pair->second);
    if (!sent.ok()) return sent;
    return std::move(pair->first);
  }

 private:
  absl::Status Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto pair = SocketPair();
    if (!pair.ok()) return pair.status();
    control_ = std::move(pair->first);
    // ":rw" keeps a directory whose name ends in ":ro" from being misread.
    const std::string directory = std::filesystem::absolute(directory_);
    auto process = Spawn({HostdProgram(), "--quiet", "--control-fd", "3",
                          "--export", "default=" + directory + ":rw"},
                         {{pair->second.get(), 3}});
    if (!process.ok()) return process.status();
    process_ = *std::move(process);
    return absl::OkStatus();
  }

  const std::string directory_;
  absl::Mutex mu_;
  Process process_ ABSL_GUARDED_BY(mu_);
  UniqueFd control_ ABSL_GUARDED_BY(mu_);
};

// ssh and any other command: all connections share its standard streams.
class CommandConnector : public Connector {
 public:
  explicit CommandConnector(std::vector<std::string> command)
      : command_(std::move(command)) {}

  ~CommandConnector() override {
    absl::MutexLock lock(&mu_);
    mux_.reset();
  }

  absl::StatusOr<UniqueFd> Connect(absl::Duration timeout) override {
    absl::MutexLock lock(&mu_);
    if (mux_ == nullptr || !mux_->alive()) {
      if (absl::Status started = Start(); !started.ok()) return started;
    }
    return mux_->Open();
  }

  // It may have to log in first, by way of other machines.
  absl::Duration time_limit() const override { return absl::Seconds(30); }

 private:
  absl::Status Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto pair = SocketPair();
    if (!pair.ok()) return pair.status();
    auto process = Spawn(command_, {{pair->second.get(), STDIN_FILENO},
                                    {pair->second.get(), STDOUT_FILENO}});
    if (!process.ok()) return process.status();
    UniqueFd out(fcntl(pair->first.get(), F_DUPFD_CLOEXEC, 0));
    mux_ = std::make_unique<Mux>(std::move(pair->first), std::move(out),
                                 nullptr, nullptr);
    process_ = *std::move(process);
    return absl::OkStatus();
  }

  const std::vector<std::string> command_;
  absl::Mutex mu_;
  Process process_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Mux> mux_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::string HostdProgram() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = self.parent_path() / "warmfs-hostd";
  if (!error && access(beside.c_str(), X_OK) == 0) return beside;
  return "warmfs-hostd";
}

std::unique_ptr<Connector> MakeConnector(const Endpoint& e) {
  switch (e.kind) {
    case Endpoint::Kind::kDirectory:
      return std::make_unique<ChildConnector>(e.path);
    case Endpoint::Kind::kHybrid:
      return std::make_unique<HybridConnector>(e);
    case Endpoint::Kind::kCommand:
      return std::make_unique<CommandConnector>(e.command);
    case Endpoint::Kind::kUnix:
    case Endpoint::Kind::kVsock:
    case Endpoint::Kind::kTcp:
      break;
  }
  return std::make_unique<SocketConnector>(e);
}

}  // namespace warmfs::rpc
