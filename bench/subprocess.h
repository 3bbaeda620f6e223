// Runs other programs. Stateless, thread-safe.

#ifndef WARMFS_BENCH_SUBPROCESS_H_
#define WARMFS_BENCH_SUBPROCESS_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace warmfs::bench {

struct Command {
  std::vector<std::string> argv;
  // Changes to this process's environment; nullopt takes a variable away.
  std::map<std::string, std::optional<std::string>> environment;
  // Ends early when this process is interrupted. Not for cleaning up.
  bool interruptible = true;
};

struct Output {
  int exit_code = 0;  // 128 + signal if it was killed
  std::string out;
  std::string err;
};

// Waits for the program itself only, not for daemons that it leaves behind.
// NotFound if there is no such program.
absl::StatusOr<Output> Run(const Command& command);

// Its standard output. An exit code other than 0 is an error with the program's
// own words and, if it is one of sysexits.h, its meaning.
absl::StatusOr<std::string> RunOrFail(const Command& command);

// Starts a program with `stream` as its standard input and output. In a
// process group of its own, so that a key press does not end it.
absl::StatusOr<pid_t> Spawn(const Command& command, int stream);

// The path of a program on PATH, or nullopt.
std::optional<std::string> FindProgram(const std::string& name);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_SUBPROCESS_H_
