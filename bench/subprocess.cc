#include "bench/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "bench/interrupt.h"
#include "schema/unique_fd.h"

extern char** environ;

namespace warmfs::bench {
namespace {

std::vector<std::string> Environment(const Command& command) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!command.environment.contains(text.substr(0, text.find('=')))) {
      result.push_back(text);
    }
  }
  for (const auto& [name, value] : command.environment) {
    if (value) result.push_back(name + "=" + *value);
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

absl::StatusOr<pid_t> Start(const Command& command, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> argv = command.argv;
  std::vector<std::string> environment = Environment(command);
  pid_t pid = 0;
  const int error =
      posix_spawnp(&pid, argv[0].c_str(), &actions, &attributes,
                   Pointers(argv).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return absl::ErrnoToStatus(error, command.argv[0]);
  return pid;
}

int Wait(pid_t pid, bool interruptible) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    if (interruptible && Interrupted()) kill(pid, SIGTERM);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A file in memory, not a pipe: a daemon that keeps it open holds nobody up.
UniqueFd Capture() { return UniqueFd(memfd_create("output", MFD_CLOEXEC)); }

std::string Contents(const UniqueFd& file) {
  std::string text(std::max<off_t>(lseek(file.get(), 0, SEEK_END), 0), '\0');
  const ssize_t n = pread(file.get(), text.data(), text.size(), 0);
  text.resize(std::max<ssize_t>(n, 0));
  return text;
}

// sysexits.h's codes, as warmfs's programs give them.
absl::StatusCode CodeOf(int exit_code) {
  switch (exit_code) {
    case EX_USAGE:
      return absl::StatusCode::kInvalidArgument;
    case EX_NOINPUT:
      return absl::StatusCode::kNotFound;
    case EX_UNAVAILABLE:
      return absl::StatusCode::kUnavailable;
    case EX_NOPERM:
      return absl::StatusCode::kPermissionDenied;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string Trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

absl::StatusOr<Output> Run(const Command& command) {
  UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  UniqueFd out = Capture();
  UniqueFd err = Capture();
  if (!null || !out || !err) {
    return absl::ErrnoToStatus(errno, "a file in memory");
  }
  auto pid = Start(command, null.get(), out.get(), err.get());
  if (!pid.ok()) return pid.status();
  Output output;
  output.exit_code = Wait(*pid, command.interruptible);
  output.out = Contents(out);
  output.err = Contents(err);
  return output;
}

absl::StatusOr<std::string> RunOrFail(const Command& command) {
  auto output = Run(command);
  if (!output.ok()) return output.status();
  if (output->exit_code == 0) return std::move(output->out);
  if (command.interruptible && Interrupted()) {
    return absl::CancelledError("interrupted");
  }
  const std::string words = Trimmed(output->err);
  return absl::Status(CodeOf(output->exit_code),
                      words.empty()
                          ? fmt::format("{} ended with exit code {}",
                                        command.argv[0], output->exit_code)
                          : words);
}

absl::StatusOr<pid_t> Spawn(const Command& command, int stream) {
  UniqueFd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  return Start(command, stream, stream, null.get());
}

std::optional<std::string> FindProgram(const std::string& name) {
  const char* path = getenv("PATH");
  std::istringstream in(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string directory; std::getline(in, directory, ':');) {
    const std::string candidate = directory + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

}  // namespace warmfs::bench
