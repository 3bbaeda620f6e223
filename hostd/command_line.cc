#include "hostd/command_line.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "build_name.h"
#include "hostd/journal.h"
#include "hostd/random.h"
#include "hostd/token.h"

namespace warmfs::hostd {

void Die(int code, const std::string& message) {
  fmt::print(stderr, "warmfs-hostd: {}\n", message);
  std::exit(code);
}

void Die(const absl::Status& status) {
  const bool not_found = absl::IsNotFound(status);
  const bool usage = absl::IsInvalidArgument(status);
  const bool denied = absl::IsPermissionDenied(status);
  Die(usage       ? kExitUsage
      : not_found ? kExitNoInput
      : denied    ? kExitNoPermission
                  : kExitSystem,
      std::string(status.message()));
}

void Parse(int argc, char** argv, const Choices& system, Options& o) {
  o.watch = system.watch.front();
  CLI::App app(
      "Serves directories of this host to warmfs clients. It needs no special "
      "rights, and nothing outside the exported directories can be reached "
      "through it.");
  app.set_version_flag("--version",
                       "warmfs-hostd " WARMFS_VERSION " (" WARMFS_BUILD ")");
  app.add_option("--export", o.exports,
                 "A directory to serve, and its name; :ro for read only")
      ->required()
      ->type_name("NAME=DIR[:ro]");
  app.add_option("--listen", o.listen,
                 "Where to wait for clients: " + system.listen)
      ->type_name("ENDPOINT");
  app.add_option("--token-file", o.token_file,
                 "A file with the token that clients must show on vsock and "
                 "tcp (readable by you alone)")
      ->type_name("FILE");
  app.add_flag("--stdio", o.stdio,
               "Serve one client on standard input and output (what ssh: and "
               "exec: endpoints start)");
  app.add_option(
         "--watch", o.watch,
         "How changes of files are heard of, for leases: " + system.watch_help +
             "; off means no leases, and clients ask again and again")
      ->check(CLI::IsMember(system.watch))
      ->capture_default_str();
  app.add_option("--max-watches", o.max_watches,
                 "Directories watched for each export at most; 0 for as many "
                 "as the system allows")
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
      "Example: " + system.example +
      "\nExit codes: 0 stopped, 64 usage, 66 no such directory, 71 system "
      "error, 77 no right.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e) == 0 ? 0 : kExitUsage);
  }
}

void StartLog(const Options& o) {
  // Standard output may be the protocol's.
  spdlog::set_default_logger(spdlog::stderr_color_mt("warmfs-hostd"));
  spdlog::set_level(o.quiet ? spdlog::level::warn
                            : spdlog::level::from_str(o.log_level));
}

namespace {

std::string ReadToken(const std::string& path) {
  std::ifstream in(path);
  std::string token;
  if (!in || !std::getline(in, token)) {
    Die(kExitNoInput, fmt::format("--token-file {}: cannot read it", path));
  }
  if (!IsPlainText(token)) {
    Die(kExitUsage,
        fmt::format("--token-file {}: it is no plain text; from PowerShell "
                    "write it with: Set-Content -Encoding ascii",
                    path));
  }
  token = TokenOf(token);
  if (token.size() < 16) {
    Die(kExitUsage, fmt::format("--token-file {}: a token has at least 16 "
                                "characters; make one with: head -c 24 "
                                "/dev/urandom | base64",
                                path));
  }
  return token;
}

ExportOptions ParseExport(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    Die(kExitUsage,
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

WatcherOptions WatchOptions(const Options& o) {
  WatcherOptions options;
  if (o.max_watches > 0) options.max_watches = o.max_watches;
  options.journal.events = o.journal_events;
  options.lease_grace = absl::Seconds(o.lease_grace_s);
  return options;
}

}  // namespace

void OpenService(const Options& o, const WatcherMaker& watch,
                 Service& service) {
  service.instance = RandomNumber();
  if (!o.token_file.empty()) service.token = ReadToken(o.token_file);
  if (o.watch == "off") spdlog::info("no leases are given, by --watch=off");
  for (const std::string& text : o.exports) {
    ExportOptions options = ParseExport(text);
    for (const auto& other : service.exports) {
      if (other->info().name == options.name) {
        Die(kExitUsage,
            fmt::format("two exports are named '{}'", options.name));
      }
    }
    const std::string directory = options.directory;
    if (o.watch != "off") options.watch = watch(directory, WatchOptions(o));
    auto exported = Export::Open(std::move(options));
    if (!exported.ok()) Die(exported.status());
    const ExportInfo& info = (*exported)->info();
    spdlog::info("export '{}' is {} ({})", info.name, directory,
                 info.read_only ? "read only" : "read and write");
    service.exports.push_back(*std::move(exported));
  }
}

void ListenOn(const Options& o,
              absl::FunctionRef<absl::Status(const std::string&)> listen) {
  for (const std::string& endpoint : o.listen) {
    absl::Status status = listen(endpoint);
    if (!status.ok()) Die(status);
    spdlog::info("listening on {}", endpoint);
  }
}

}  // namespace warmfs::hostd
