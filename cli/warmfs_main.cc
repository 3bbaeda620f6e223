// warmfs: mounts a host's directory, unmounts it, and tells how it fares.

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/common.h"
#include "cli/insight_command.h"
#include "cli/mount_command.h"
#include "cli/mount_options.h"
#include "cli/status_command.h"
#include "fuse/options.h"

namespace warmfs::cli {
namespace {

constexpr char kSourceHelp[] =
    "PATH (a directory here), unix:PATH, vsock:CID:PORT, hybrid:PATH:PORT, "
    "tcp:HOST:PORT, ssh:[USER@]HOST:PATH or exec:COMMAND";

struct MountArguments {
  std::string source;
  std::string mountpoint;
  std::vector<std::string> options;
  bool foreground = false;
};

int Mount(const MountArguments& args) {
  fuse::MountOptions options;
  options.remote.endpoint = args.source;
  options.mountpoint = args.mountpoint;
  options.uid = getuid();
  options.gid = getgid();
  absl::Status status = ParseMountOptions(args.options, options);
  if (!status.ok()) return Fail("warmfs", status);
  return MountCommand(std::move(options), args.foreground);
}

void AddMountArguments(CLI::App& app, MountArguments& args) {
  app.add_option("source", args.source, kSourceHelp)->required();
  app.add_option("mountpoint", args.mountpoint, "An existing directory")
      ->required();
  app.add_option("-o", args.options, "Options, separated by commas")
      ->type_name("OPTIONS");
  app.add_flag("-f,--foreground", args.foreground,
               "Stay in the foreground until the mount ends");
  app.footer(kMountOptionsHelp);
}

int Parse(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
    return -1;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : EX_USAGE;
  }
}

// As mount(8) calls its helpers: SOURCE MOUNTPOINT [-sfnv] [-o OPTIONS]. There,
// -f means to fake it.
int MountHelper(int argc, char** argv) {
  CLI::App app("Mount helper of warmfs");
  MountArguments args;
  bool sloppy = false, fake = false, no_mtab = false, verbose = false;
  app.add_option("source", args.source)->required();
  app.add_option("mountpoint", args.mountpoint)->required();
  app.add_option("-o", args.options);
  app.add_flag("-s", sloppy);
  app.add_flag("-f", fake);
  app.add_flag("-n", no_mtab);
  app.add_flag("-v", verbose);
  const int code = Parse(app, argc, argv);
  if (code >= 0) return code;
  return fake ? 0 : Mount(args);
}

bool IsHelperName(const std::string& name) {
  return name == "mount.warmfs" || name == "mount.fuse.warmfs";
}

// mount.fuse3 calls `warmfs SOURCE MOUNTPOINT -o ...`.
bool LacksCommand(int argc, char** argv) {
  if (argc < 3 || argv[1][0] == '-') return false;
  for (const char* command :
       {"mount", "umount", "status", "sync", "events", "why"}) {
    if (argv[1] == std::string_view(command)) return false;
  }
  return true;
}

int Main(int argc, char** argv) {
  const std::string name = std::filesystem::path(argv[0]).filename();
  if (IsHelperName(name) || LacksCommand(argc, argv)) {
    return MountHelper(argc, argv);
  }
  CLI::App app(
      "warmfs mounts a directory of a host as if its files were here: warm "
      "reads send no message at all, and the cache survives restarts.");
  app.set_version_flag("--version", "warmfs " WARMFS_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 failed, 64 usage, 66 no such source, export or "
      "mountpoint,\n69 host not reached, 73 mountpoint or cache in use, 76 "
      "not a warmfs host, 77 no right.");

  MountArguments mount_args;
  CLI::App* mount = app.add_subcommand("mount", "Mount a host's directory");
  AddMountArguments(*mount, mount_args);

  std::string umount_point;
  bool lazy = false;
  CLI::App* umount = app.add_subcommand("umount", "Unmount");
  umount->add_option("mountpoint", umount_point)->required();
  umount->add_flag("-l,--lazy", lazy, "Detach now, even if it is in use");

  std::string status_path;
  bool as_json = false;
  CLI::App* status = app.add_subcommand("status", "What is mounted");
  status->add_option("path", status_path, "Only the mount that holds this");
  status->add_flag("--json", as_json, "Everything, for programs");

  std::string sync_path;
  double sync_timeout_s = 30;
  CLI::App* sync = app.add_subcommand(
      "sync",
      "Wait until all that was changed on the host so far is visible, "
      "and its events are delivered");
  sync->add_option("path", sync_path, "In the mount")->required();
  sync->add_option("--timeout", sync_timeout_s, "In seconds")
      ->check(CLI::PositiveNumber);

  std::string events_path;
  CLI::App* events = app.add_subcommand(
      "events", "Follow what is taken in of the host's changes");
  events->add_option("path", events_path, "In the mount")->required();
  events->add_flag("--json", as_json, "A JSON object on each line");

  std::string why_path;
  CLI::App* why = app.add_subcommand(
      "why", "What is known of a path, under which lease, and what it costs");
  why->add_option("path", why_path, "In the mount")->required();
  why->add_flag("--json", as_json, "For programs");

  const int code = Parse(app, argc, argv);
  if (code >= 0) return code;
  if (sync->parsed()) return SyncCommand(sync_path, sync_timeout_s);
  if (events->parsed()) return EventsCommand(events_path, as_json);
  if (why->parsed()) return WhyCommand(why_path, as_json);
  if (mount->parsed()) return Mount(mount_args);
  if (umount->parsed()) return UmountCommand(umount_point, lazy);
  return StatusCommand(status_path, as_json);
}

}  // namespace
}  // namespace warmfs::cli

int main(int argc, char** argv) { return warmfs::cli::Main(argc, argv); }
