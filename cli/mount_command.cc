#include "cli/mount_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/time/clock.h"
#include "cli/common.h"
#include "fuse/control.h"
#include "fuse/detach.h"
#include "fuse/mount.h"
#include "rpc/endpoint.h"
#include "rpc/process.h"
#include "schema/unique_fd.h"

namespace warmfs::cli {
namespace {

constexpr char kProgram[] = "warmfs";

// A mount whose client was killed answers ENOTCONN for good; it is ours to
// clear away.
absl::Status PrepareMountpoint(const std::string& mountpoint) {
  struct stat st;
  struct statvfs vfs;
  // stat may be answered from the kernel's cache, statvfs never is.
  if (statvfs(mountpoint.c_str(), &vfs) != 0 && errno == ENOTCONN) {
    fmt::print(stderr,
               "warmfs: {} is a mount whose client has died; replacing it\n",
               mountpoint);
    fuse::Detach(mountpoint, /*lazy=*/true);
  }
  if (stat(mountpoint.c_str(), &st) != 0) {
    return absl::NotFoundError(
        fmt::format("mountpoint {}: {}; make it with mkdir -p", mountpoint,
                    strerror(errno)));
  }
  if (!S_ISDIR(st.st_mode)) {
    return absl::FailedPreconditionError(
        fmt::format("mountpoint {} is not a directory", mountpoint));
  }
  auto mounted = MountHolding(mountpoint);
  if (mounted && mounted->mountpoint == mountpoint) {
    return absl::FailedPreconditionError(
        fmt::format("{} is mounted already (from {}); unmount it with: warmfs "
                    "umount {}",
                    mountpoint, mounted->source, mountpoint));
  }
  return absl::OkStatus();
}

// Relative paths mean the directory that the user stands in, also after the
// daemon has left it.
absl::Status ResolveSource(fuse::MountOptions& options) {
  auto endpoint = rpc::Endpoint::Parse(options.remote.endpoint);
  if (!endpoint.ok()) return endpoint.status();
  if (endpoint->kind != rpc::Endpoint::Kind::kDirectory) {
    return absl::OkStatus();
  }
  const std::string path = AbsolutePath(endpoint->path);
  struct stat st;
  if (stat(path.c_str(), &st) != 0) {
    return absl::NotFoundError(
        fmt::format("source {}: {}", path, strerror(errno)));
  }
  if (!S_ISDIR(st.st_mode)) {
    return absl::InvalidArgumentError(
        fmt::format("source {} is not a directory", path));
  }
  // A mount inside its own source would wait for itself.
  if (options.mountpoint == path ||
      options.mountpoint.starts_with(path + "/")) {
    return absl::InvalidArgumentError(fmt::format(
        "mountpoint {} is inside the source {}", options.mountpoint, path));
  }
  options.remote.endpoint = path;
  return absl::OkStatus();
}

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

// Serves until unmounted. `mounted` is called once the kernel has the mount.
int Serve(fuse::MountOptions options, const std::function<void()>& mounted,
          const std::function<void(const absl::Status&)>& failed) {
  const sigset_t signals = StopSignals();
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  rpc::TuneProcess();
  auto mount = fuse::Mount::Start(std::move(options));
  if (!mount.ok()) {
    failed(mount.status());
    return ExitCode(mount.status());
  }
  // Waits for a signal until the process ends; one that comes after Run has
  // returned finds nothing to unmount any more.
  struct Running {
    std::mutex mu;
    fuse::Mount* mount;
  };
  auto running = std::make_shared<Running>();
  running->mount = mount->get();
  std::thread([signals, running] {
    int signal = 0;
    sigwait(&signals, &signal);
    std::lock_guard lock(running->mu);
    if (running->mount == nullptr) return;
    spdlog::info("unmounting (signal {})", signal);
    running->mount->Unmount();
  }).detach();
  mounted();
  (*mount)->Run();
  {
    std::lock_guard lock(running->mu);
    running->mount = nullptr;
  }
  mount->reset();
  return 0;
}

int Foreground(fuse::MountOptions options) {
  const std::string mountpoint = options.mountpoint;
  return Serve(
      std::move(options), [&] { spdlog::info("mounted on {}", mountpoint); },
      [](const absl::Status& status) { Fail(kProgram, status); });
}

// What the daemon tells its parent: 'm' for mounted, or the exit code and text.
void Report(int pipe, char kind, const std::string& text) {
  const std::string message = kind + text;
  [[maybe_unused]] ssize_t n = write(pipe, message.data(), message.size());
}

[[noreturn]] void Daemon(fuse::MountOptions options, UniqueFd report) {
  setsid();
  [[maybe_unused]] int gone = chdir("/");
  const int null = open("/dev/null", O_RDWR);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  // Nothing of the user's is kept open, neither here nor in the host daemon
  // that is started from here: whoever reads our output to its end would wait
  // for it.
  const std::string log = options.cache_directory + ".log";
  const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(fd >= 0 ? fd : null, STDERR_FILENO);
  const int code = Serve(
      std::move(options),
      [&] {
        Report(report.get(), 'm', "");
        report.Reset();
      },
      [&](const absl::Status& status) {
        Report(report.get(), 'e', std::string(status.message()));
      });
  _exit(code);
}

int Background(fuse::MountOptions options) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return 1;
  UniqueFd from(fds[0]), to(fds[1]);
  const std::string mountpoint = options.mountpoint;
  const pid_t pid = fork();
  if (pid < 0) {
    return Fail(kProgram, absl::ErrnoToStatus(errno, "fork"));
  }
  if (pid == 0) Daemon(std::move(options), std::move(to));
  to.Reset();
  char buffer[4096];
  const ssize_t n = read(from.get(), buffer, sizeof(buffer));
  if (n > 0 && buffer[0] == 'm') {
    // The mount is of use once it answers; this waits for its first answer.
    struct stat st;
    if (stat(mountpoint.c_str(), &st) == 0) return 0;
    fmt::print(stderr, "{}: {}: {}\n", kProgram, mountpoint, strerror(errno));
    return 1;
  }
  int status = 0;
  waitpid(pid, &status, 0);
  const std::string text =
      n > 1 ? std::string(buffer + 1, n - 1) : "the client ended at its start";
  fmt::print(stderr, "{}: {}\n", kProgram, text);
  return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status)
                                                       : 1;
}

}  // namespace

int MountCommand(fuse::MountOptions options, bool foreground) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("warmfs-client"));
  options.mountpoint = AbsolutePath(options.mountpoint);
  absl::Status status = PrepareMountpoint(options.mountpoint);
  if (status.ok()) status = ResolveSource(options);
  if (!status.ok()) return Fail(kProgram, status);
  if (options.cache_directory.empty()) {
    options.cache_directory = DefaultCacheDirectory(options.remote.endpoint,
                                                    options.remote.export_name);
  }
  // The last directory is the cache's own to make; those above are made here.
  std::error_code error;
  std::filesystem::create_directories(
      std::filesystem::path(options.cache_directory).parent_path(), error);
  return foreground ? Foreground(std::move(options))
                    : Background(std::move(options));
}

int UmountCommand(const std::string& given, bool lazy) {
  const std::string mountpoint = AbsolutePath(given);
  auto mounted = MountHolding(mountpoint);
  if (!mounted || mounted->mountpoint != mountpoint) {
    return Fail(kProgram,
                absl::NotFoundError(fmt::format(
                    "{} is not a mount of warmfs; warmfs status lists them",
                    mountpoint)));
  }
  const int error = fuse::Detach(mountpoint, lazy);
  if (error == EBUSY) {
    return Fail(kProgram, absl::FailedPreconditionError(fmt::format(
                              "{} is in use (fuser -vm {} tells by whom); "
                              "umount -l detaches it anyway",
                              mountpoint, mountpoint)));
  }
  if (error != 0) {
    return Fail(kProgram, absl::ErrnoToStatus(error, mountpoint));
  }
  // The client writes its cache out and ends; until then the cache is in use.
  auto control = fuse::ControlPath(mountpoint);
  if (!control.ok() || lazy) return 0;
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (access(control->c_str(), F_OK) == 0 &&
         !absl::IsUnavailable(fuse::Ask(*control, {{"command", "status"}},
                                        [](const auto&) {}))) {
    if (absl::Now() > deadline) {
      return Fail(kProgram,
                  absl::DeadlineExceededError(fmt::format(
                      "{} is unmounted, but its client has not ended yet, and "
                      "until then the cache is in use",
                      mountpoint)));
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return 0;
}

}  // namespace warmfs::cli
