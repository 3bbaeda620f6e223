// The command line of warmfs-hostd, and what every system does with it in the
// same way. What a system has of its own it says in Choices.
//
// Used by main, before other threads run.

#ifndef WARMFS_HOSTD_COMMAND_LINE_H_
#define WARMFS_HOSTD_COMMAND_LINE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "hostd/journal.h"
#include "hostd/service.h"
#include "hostd/watcher.h"

namespace warmfs::hostd {

// As sysexits.h has them.
inline constexpr int kExitUsage = 64;
inline constexpr int kExitNoInput = 66;
inline constexpr int kExitSystem = 71;
inline constexpr int kExitNoPermission = 77;

struct Options {
  std::vector<std::string> exports;
  std::vector<std::string> listen;
  std::string token_file;
  std::string log_level = "info";
  bool quiet = false;
  bool stdio = false;
  int control_fd = -1;
  std::string watch;
  uint32_t max_watches = 0;
  uint32_t lease_grace_s = 600;
  uint32_t journal_events = Journal::Limits().events;
};

// What there is to choose from on this system.
struct Choices {
  std::string listen;              // the endpoints, for --help
  std::vector<std::string> watch;  // the first is the default
  std::string watch_help;
  std::string example;
};

// One line to standard error, and the end.
[[noreturn]] void Die(int code, const std::string& message);
[[noreturn]] void Die(const absl::Status& status);

void Parse(int argc, char** argv, const Choices& system, Options& o);
void StartLog(const Options& o);
using WatcherMaker = std::function<WatcherFactory(const std::string& directory,
                                                  const WatcherOptions&)>;
// Its instance, token and exports.
void OpenService(const Options& o, const WatcherMaker& watch, Service& service);
// Calls this for each endpoint that is to be listened on.
void ListenOn(const Options& o,
              absl::FunctionRef<absl::Status(const std::string&)> listen);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_COMMAND_LINE_H_
