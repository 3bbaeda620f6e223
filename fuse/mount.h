// A mount as a whole: host, cache, file system, kernel session, control socket,
// and the housekeeping between them.
//
// Thread rule: Start, Run and the destructor on one thread; the rest from any.

#ifndef WARMFS_FUSE_MOUNT_H_
#define WARMFS_FUSE_MOUNT_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cache/cache.h"
#include "fuse/ahead_fetcher.h"
#include "fuse/clock.h"
#include "fuse/control.h"
#include "fuse/event_log.h"
#include "fuse/file_system.h"
#include "fuse/follower.h"
#include "fuse/host_locks.h"
#include "fuse/injector.h"
#include "fuse/notifier.h"
#include "fuse/options.h"
#include "fuse/overtaker.h"
#include "fuse/pusher.h"
#include "fuse/session.h"
#include "rpc/remote.h"

namespace warmfs::fuse {

struct WarmProgress;

// A line of progress of `warm`, as the control socket and warmfs-cache give it.
nlohmann::json ToJson(const WarmProgress& progress);

// The part of a mount that needs no kernel: what warmfs-cache uses to warm a
// cache at rest.
class Share {
 public:
  // Reaches the host, opens the cache. Errors as Channel::Open and Cache::Open.
  static absl::StatusOr<std::unique_ptr<Share>> Open(
      const MountOptions& options, Invalidations invalidations);

  FileSystem& fs() { return *fs_; }
  HostLocks& locks() { return *locks_; }
  cache::Cache& cache() { return *cache_; }
  rpc::Remote& remote() { return *remote_; }

 private:
  Share() = default;

  SystemClock clock_;
  std::unique_ptr<rpc::Remote> remote_;
  std::unique_ptr<cache::Cache> cache_;
  std::unique_ptr<FileSystem> fs_;
  std::unique_ptr<HostLocks> locks_;
};

class Mount {
 public:
  // Reaches the host, opens the cache and mounts. The kernel's requests wait
  // until Run.
  static absl::StatusOr<std::unique_ptr<Mount>> Start(MountOptions options);
  ~Mount();

  void Run();
  void Unmount();
  nlohmann::json Status();

 private:
  explicit Mount(MountOptions options) : options_(std::move(options)) {}

  void Handle(const nlohmann::json& request, const Emit& emit);
  void HandleWarm(const nlohmann::json& request, const Emit& emit);
  // insight.cc
  void HandleSync(const nlohmann::json& request, const Emit& emit);
  void HandleEvents(const Emit& emit);
  void HandleWhy(const nlohmann::json& request, const Emit& emit);
  std::string PathOf(const Event& event);

  void StartFollowing();
  void Raise(std::vector<Injection> injections);
  // Every change made on the host before the call is visible in the mount, and
  // its events are delivered. The answer is the host's position.
  absl::StatusOr<JournalPos> Fence(absl::Duration limit);
  void Housekeep();

  const MountOptions options_;
  const absl::Time started_ = absl::Now();
  std::unique_ptr<Share> share_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<AheadFetcher> ahead_fetcher_;
  std::unique_ptr<Pusher> pusher_;
  std::unique_ptr<Notifier> notifier_;
  std::unique_ptr<Overtaker> overtaker_;
  std::unique_ptr<Injector> injector_;
  EventLog event_log_;
  std::unique_ptr<Follower> follower_;  // none: checks by the ttl
  std::unique_ptr<ControlServer> control_;
  absl::Mutex mu_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread housekeeper_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_MOUNT_H_
