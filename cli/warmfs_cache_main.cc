// warmfs-cache: looks into the cache of a mount, checks it, fills and empties
// it.

#include <spdlog/spdlog.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "cli/cache_command.h"
#include "cli/common.h"

namespace warmfs::cli {
namespace {

struct Arguments {
  CacheWhere where;
  std::vector<std::string> paths;
  std::string size;
  bool as_json = false;
};

CLI::App* Command(CLI::App& app, const char* name, const char* help,
                  Arguments& args, bool takes_path) {
  CLI::App* command = app.add_subcommand(name, help);
  if (takes_path) {
    command->add_option("path", args.where.path,
                        "A path in a mount; with --cache, relative to the "
                        "export (default: here, or all of it)");
  }
  return command;
}

int Warm(const Arguments& args) {
  std::vector<std::string> paths = args.paths;
  if (paths.empty()) paths = {""};
  int worst = 0;
  for (const std::string& path : paths) {
    const int code = CacheCommand({args.where.cache_directory, path},
                                  {{"command", "warm"}}, args.as_json);
    worst = std::max(worst, code);
  }
  return worst;
}

int Evict(const Arguments& args) {
  nlohmann::json request = {{"command", "evict"}};
  if (!args.size.empty()) {
    auto bytes = ParseSize(args.size);
    if (!bytes.ok()) return Fail("warmfs-cache", bytes.status());
    request["bytes"] = *bytes;
  }
  return CacheCommand(args.where, request, args.as_json);
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Looks into the cache of a warmfs mount: one in use by a path in the "
      "mount, one at rest by --cache DIR.");
  app.set_version_flag("--version", "warmfs-cache " WARMFS_VERSION);
  app.require_subcommand(1);
  Arguments args;
  app.add_option("--cache", args.where.cache_directory,
                 "The cache's directory (warmfs status tells it)")
      ->type_name("DIR");
  app.add_flag("--json", args.as_json, "One JSON object on each line");
  app.footer(
      "Exit codes: 0 done, 1 failed or faults found, 64 usage, 66 not there, "
      "69 host or mount not reached, 73 cache in use.");

  Command(app, "ls", "List a directory as cached: mode, size, bytes cached",
          args, true);
  Command(app, "stat", "Attributes and blocks of one path", args, true);
  Command(app, "cat", "A file's content from the cache alone", args, true);
  Command(app, "du", "How much of each subdirectory is cached", args, true);
  Command(app, "info", "The cache as a whole", args, true);
  Command(app, "verify", "Check every block against its hash", args, true);
  Command(app, "clear", "Forget everything", args, true);
  CLI::App* evict =
      Command(app, "evict",
              "Drop the content beneath a path, or the least recently "
              "used down to a size",
              args, true);
  evict->add_option("--to", args.size, "Keep at most this much")
      ->type_name("SIZE");
  CLI::App* warm =
      Command(app, "warm", "Fetch subtrees ahead of their use", args, false);
  warm->add_option("paths", args.paths, "Paths in a mount, or with --cache");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : EX_USAGE;
  }
  spdlog::set_level(spdlog::level::warn);
  const std::string command = app.get_subcommands().front()->get_name();
  if (command == "warm") return Warm(args);
  if (command == "evict") return Evict(args);
  return CacheCommand(args.where, {{"command", command}}, args.as_json);
}

}  // namespace
}  // namespace warmfs::cli

int main(int argc, char** argv) { return warmfs::cli::Main(argc, argv); }
