// warmfs-hostd: serves directories of this host to warmfs clients.

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "hostd/export.h"
#include "hostd/fanotify_source.h"
#include "hostd/inotify_source.h"
#include "hostd/limits.h"
#include "hostd/server.h"
#include "hostd/service.h"

namespace warmfs::hostd {
namespace {

struct Options {
  std::vector<std::string> exports;
  std::vector<std::string> listen;
  std::string token_file;
  std::string log_level = "info";
  bool quiet = false;
  bool stdio = false;
  int control_fd = -1;
  std::string watch = "inotify";
  uint32_t max_watches = 0;
  uint32_t lease_grace_s = 600;
  uint32_t journal_events = Journal::Limits().events;
};

[[noreturn]] void Die(int code, const std::string& message) {
  fmt::print(stderr, "warmfs-hostd: {}\n", message);
  std::exit(code);
}

[[noreturn]] void Die(const absl::Status& status) {
  const bool not_found = absl::IsNotFound(status);
  const bool usage = absl::IsInvalidArgument(status);
  const bool denied = absl::IsPermissionDenied(status);
  Die(usage       ? EX_USAGE
      : not_found ? EX_NOINPUT
      : denied    ? EX_NOPERM
                  : EX_OSERR,
      std::string(status.message()));
}

void Parse(int argc, char** argv, Options& o) {
  CLI::App app(
      "Serves directories of this host to warmfs clients. It needs no special "
      "rights, and nothing outside the exported directories can be reached "
      "through it.");
  app.set_version_flag("--version", "warmfs-hostd " WARMFS_VERSION);
  app.add_option("--export", o.exports,
                 "A directory to serve, and its name; :ro for read only")
      ->required()
      ->type_name("NAME=DIR[:ro]");
  app.add_option("--listen", o.listen,
                 "Where to wait for clients: unix:PATH, vsock:CID:PORT (CID "
                 "4294967295 for any) or tcp:127.0.0.1:PORT")
      ->type_name("ENDPOINT");
  app.add_option("--token-file", o.token_file,
                 "A file with the token that clients must show on vsock and "
                 "tcp (readable by you alone)")
      ->type_name("FILE");
  app.add_flag("--stdio", o.stdio,
               "Serve one client on standard input and output (what ssh: and "
               "exec: endpoints start)");
  app.add_option("--watch", o.watch,
                 "How changes of files are heard of, for leases: inotify needs "
                 "no rights; fanotify needs CAP_SYS_ADMIN and has no limit of "
                 "watches; off means no leases, and clients ask again and "
                 "again")
      ->check(CLI::IsMember({"inotify", "fanotify", "off"}))
      ->capture_default_str();
  app.add_option("--max-watches", o.max_watches,
                 "Directories watched for each export at most; 0 for as many "
                 "as open files and fs.inotify.max_user_watches allow")
      ->capture_default_str();
  app.add_option("--lease-grace", o.lease_grace_s,
                 "Watches end when no client has followed for so many seconds")
      ->check(CLI::Range(1u, 1u << 30))
      ->capture_default_str();
  app.add_option("--journal-events", o.journal_events,
                 "Changes kept for clients that come back, at most")
      ->check(CLI::Range(1u, 1u << 24))
      ->capture_default_str();
  app.add_option("--log-level", o.log_level, "Least level that is logged")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_flag("--quiet", o.quiet, "Log warnings and errors only");
  app.add_option("--control-fd", o.control_fd,
                 "A socket over which a parent passes connections")
      ->group("");
  app.footer(
      "Example: warmfs-hostd --export src=$HOME/src --listen "
      "unix:$XDG_RUNTIME_DIR/warmfs.sock\n"
      "Exit codes: 0 stopped, 64 usage, 66 no such directory, 71 system "
      "error, 77 no right.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e) == 0 ? 0 : EX_USAGE);
  }
}

ExportOptions ParseExport(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    Die(EX_USAGE,
        fmt::format("--export '{}': write NAME=DIR or NAME=DIR:ro", text));
  }
  ExportOptions e{.name = text.substr(0, equals),
                  .directory = text.substr(equals + 1),
                  .read_only = false};
  const std::string_view directory = e.directory;
  const bool ro = directory.ends_with(":ro");
  if (ro || directory.ends_with(":rw")) {
    e.read_only = ro;
    e.directory.resize(directory.size() - 3);
  }
  return e;
}

std::string ReadToken(const std::string& path) {
  std::ifstream in(path);
  std::string token;
  if (!in || !std::getline(in, token)) {
    Die(EX_NOINPUT, fmt::format("--token-file {}: cannot read it", path));
  }
  if (token.size() < 16) {
    Die(EX_USAGE, fmt::format("--token-file {}: a token has at least 16 "
                              "characters; make one with: head -c 24 "
                              "/dev/urandom | base64",
                              path));
  }
  return token;
}

UniqueFd BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &set, SFD_CLOEXEC));
}

// A daemon that cannot watch serves all the same, unless it was told how to.
std::unique_ptr<WatchSource> MakeSource(const Options& o,
                                        const std::string& directory) {
  if (o.watch == "off") return nullptr;
  if (o.watch == "fanotify") {
    auto source = FanotifySource::Create(directory);
    if (!source.ok()) Die(source.status());
    return *std::move(source);
  }
  auto source = InotifySource::Create();
  if (source.ok()) return *std::move(source);
  spdlog::warn("no leases: {}", std::string(source.status().message()));
  return nullptr;
}

WatcherOptions WatchOptions(const Options& o) {
  WatcherOptions options;
  if (o.max_watches > 0) options.max_watches = o.max_watches;
  options.journal.events = o.journal_events;
  options.lease_grace = absl::Seconds(o.lease_grace_s);
  return options;
}

void OpenExports(const Options& o, Service& service) {
  for (const std::string& text : o.exports) {
    ExportOptions options = ParseExport(text);
    for (const auto& other : service.exports) {
      if (other->info().name == options.name) {
        Die(EX_USAGE, fmt::format("two exports are named '{}'", options.name));
      }
    }
    const std::string directory = options.directory;
    options.source = MakeSource(o, directory);
    options.watch = WatchOptions(o);
    auto exported = Export::Open(std::move(options));
    if (!exported.ok()) Die(exported.status());
    const ExportInfo& info = (*exported)->info();
    spdlog::info("export '{}' is {} ({})", info.name, directory,
                 info.read_only ? "read only" : "read and write");
    service.exports.push_back(*std::move(exported));
  }
}

void Listen(const Options& o, Server& server) {
  for (const std::string& endpoint : o.listen) {
    absl::Status status = server.Listen(endpoint);
    if (!status.ok()) Die(status);
    spdlog::info("listening on {}", endpoint);
  }
  if (o.control_fd >= 0) server.ListenOnControl(UniqueFd(o.control_fd));
  if (o.stdio) {
    server.ListenOnStreams(UniqueFd(fcntl(0, F_DUPFD_CLOEXEC, 3)),
                           UniqueFd(fcntl(1, F_DUPFD_CLOEXEC, 3)));
  }
}

int Main(int argc, char** argv) {
  Options o;
  Parse(argc, argv, o);
  // Standard output may be the protocol's.
  spdlog::set_default_logger(spdlog::stderr_color_mt("warmfs-hostd"));
  spdlog::set_level(o.quiet ? spdlog::level::warn
                            : spdlog::level::from_str(o.log_level));
  if (o.listen.empty() && !o.stdio && o.control_fd < 0) {
    Die(EX_USAGE, "nowhere to wait for clients: give --listen ENDPOINT");
  }
  UniqueFd stop = BlockSignals();
  PrepareProcess();
  Service service;
  if (getrandom(&service.instance, sizeof(service.instance), 0) < 0) {
    Die(EX_OSERR, "no random numbers");
  }
  if (!o.token_file.empty()) service.token = ReadToken(o.token_file);
  OpenExports(o, service);
  {
    Server server(service, std::move(stop));
    Listen(o, server);
    server.Run();
    spdlog::info("stopping");
    // A read of standard input cannot be called off: leave without it.
    if (o.stdio) std::_Exit(0);
  }
  return 0;
}

}  // namespace
}  // namespace warmfs::hostd

int main(int argc, char** argv) { return warmfs::hostd::Main(argc, argv); }
