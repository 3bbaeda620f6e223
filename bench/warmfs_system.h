// warmfs itself, through the program that users call.

#ifndef WARMFS_BENCH_WARMFS_SYSTEM_H_
#define WARMFS_BENCH_WARMFS_SYSTEM_H_

#include <memory>
#include <string>

#include "bench/subprocess.h"
#include "bench/system.h"

namespace warmfs::bench {

struct WarmfsOptions {
  std::string program;
  std::string source;          // to mount
  std::string work_directory;  // for mountpoint, caches and control sockets
  std::string mount_options;   // as the user gave them
};

class WarmfsSystem : public System {
 public:
  // InvalidArgument for mount options that are the benchmark's own.
  static absl::StatusOr<std::unique_ptr<WarmfsSystem>> Make(
      WarmfsOptions options);
  ~WarmfsSystem() override;

  const std::string& mountpoint() const override { return mountpoint_; }
  absl::Status MountFresh() override;
  bool keeps_cache() const override { return true; }
  absl::Status MountAgain() override;
  absl::Status Unmount() override;
  absl::StatusOr<std::optional<Counts>> Count() override;

  // What `warmfs status --json` says of the mount.
  absl::StatusOr<nlohmann::json> Status();

 private:
  explicit WarmfsSystem(WarmfsOptions options);
  Command Warmfs(std::vector<std::string> arguments) const;
  std::string CacheDirectory() const;

  const WarmfsOptions options_;
  const std::string mountpoint_;
  int caches_ = 0;
  bool mounted_ = false;
};

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_WARMFS_SYSTEM_H_
