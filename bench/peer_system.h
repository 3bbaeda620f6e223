// Peers, if they are installed: sshfs, with its server at the other end of a
// socket pair (no sshd, no network, no encryption), and bindfs, a FUSE file
// system that passes everything through. Both with their default options.

#ifndef WARMFS_BENCH_PEER_SYSTEM_H_
#define WARMFS_BENCH_PEER_SYSTEM_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/system.h"

namespace warmfs::bench {

class PeerSystem : public System {
 public:
  // Starts what serves the mount and returns its processes.
  using Starter = std::function<absl::StatusOr<std::vector<pid_t>>(
      const std::string& mountpoint)>;

  PeerSystem(std::string name, const std::string& work_directory,
             Starter start);
  ~PeerSystem() override;

  const std::string& mountpoint() const override { return mountpoint_; }
  absl::Status MountFresh() override;
  bool keeps_cache() const override { return false; }
  absl::Status MountAgain() override { return MountFresh(); }
  absl::Status Unmount() override;
  absl::StatusOr<std::optional<Counts>> Count() override {
    return std::nullopt;
  }

 private:
  bool IsMounted() const;
  absl::Status AwaitMount();
  void Reap();

  const std::string mountpoint_;
  const Starter start_;
  std::vector<pid_t> processes_;
};

// Those that are installed; `notes` gets a line for each that is not.
std::vector<std::unique_ptr<System>> FindPeers(
    const std::string& directory, const std::string& work_directory,
    std::vector<std::string>& notes);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_PEER_SYSTEM_H_
