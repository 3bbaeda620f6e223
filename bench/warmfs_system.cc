#include "bench/warmfs_system.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "bench/mount_table.h"

namespace warmfs::bench {

namespace fs = std::filesystem;

absl::StatusOr<std::unique_ptr<WarmfsSystem>> WarmfsSystem::Make(
    WarmfsOptions options) {
  std::istringstream in(options.mount_options);
  for (std::string option; std::getline(in, option, ',');) {
    if (option == "cache" || option.starts_with("cache=")) {
      return absl::InvalidArgumentError(
          "--mount-options: the benchmark has caches of its own, leave out "
          "cache=; set TMPDIR to have them on another disk");
    }
  }
  std::unique_ptr<WarmfsSystem> system(new WarmfsSystem(std::move(options)));
  std::error_code error;
  fs::create_directories(system->mountpoint_, error);
  if (error) {
    return absl::InternalError(system->mountpoint_ + ": " + error.message());
  }
  return system;
}

WarmfsSystem::WarmfsSystem(WarmfsOptions options)
    : System("warmfs"),
      options_(std::move(options)),
      mountpoint_(options_.work_directory + "/warmfs-mount") {}

WarmfsSystem::~WarmfsSystem() { Unmount().IgnoreError(); }

// A run-time directory of its own: `warmfs status` without a path tells of this
// mount alone, and does not look at the mountpoint, which would count.
Command WarmfsSystem::Warmfs(std::vector<std::string> arguments) const {
  Command command{
      .environment = {{"XDG_RUNTIME_DIR", options_.work_directory}}};
  command.argv = std::move(arguments);
  command.argv.insert(command.argv.begin(), options_.program);
  return command;
}

std::string WarmfsSystem::CacheDirectory() const {
  return fmt::format("{}/cache-{}", options_.work_directory, caches_);
}

absl::Status WarmfsSystem::MountFresh() {
  std::error_code error;
  fs::remove_all(CacheDirectory(), error);
  fs::remove(CacheDirectory() + ".log", error);
  ++caches_;
  return MountAgain();
}

absl::Status WarmfsSystem::MountAgain() {
  std::string mount_options = "cache=" + CacheDirectory();
  if (!options_.mount_options.empty()) {
    mount_options += "," + options_.mount_options;
  }
  // Mounted or not if this fails half way: Unmount finds out.
  mounted_ = true;
  return RunOrFail(Warmfs({"mount", options_.source, mountpoint_, "-o",
                           mount_options}))
      .status();
}

absl::Status WarmfsSystem::Unmount() {
  if (!mounted_) return absl::OkStatus();
  mounted_ = false;
  if (MountsBeneath(options_.work_directory).empty()) return absl::OkStatus();
  Command umount = Warmfs({"umount", mountpoint_});
  umount.interruptible = false;
  absl::Status status = RunOrFail(umount).status();
  // Whatever holds it, nothing may be left.
  if (!status.ok()) Detach(mountpoint_, /*lazy=*/true).IgnoreError();
  return status;
}

absl::StatusOr<nlohmann::json> WarmfsSystem::Status() {
  auto text = RunOrFail(Warmfs({"status", "--json"}));
  if (!text.ok()) return text.status();
  auto status = nlohmann::json::parse(*text, nullptr, false);
  if (status.is_discarded()) {
    return absl::InternalError("warmfs status --json printed no JSON");
  }
  return status;
}

absl::StatusOr<std::optional<Counts>> WarmfsSystem::Count() {
  auto status = Status();
  if (!status.ok()) return status.status();
  auto counts = ParseCounts(*status, mountpoint_);
  if (!counts.ok()) return counts.status();
  return *counts;
}

}  // namespace warmfs::bench
