// The kernel's side of a mount: the only place that knows libfuse.
//
// A session mounts, takes requests from /dev/fuse on a fixed number of worker
// threads, hands each to the FileSystem with that worker's channel to the host,
// and replies. open, opendir and flush are answered ENOSYS, after which the
// kernel does not send them any more (docs/zero-messages.md); in the mode
// host_locks they are served, since the kernel gives locks back at close.
//
// Thread rule: Mount, Run and the destructor on one thread; Unmount from any.

#ifndef WARMFS_FUSE_SESSION_H_
#define WARMFS_FUSE_SESSION_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "fuse/fence_waiter.h"
#include "fuse/file_system.h"
#include "fuse/host_locks.h"
#include "fuse/injection_plan.h"
#include "fuse/options.h"
#include "fuse/requests.h"
#include "rpc/remote.h"

namespace warmfs::fuse {

class Session {
 public:
  Session(const MountOptions& options, FileSystem& fs, HostLocks& locks,
          rpc::Remote& remote);
  ~Session();

  // FailedPrecondition with a message that says what to do, if the mountpoint
  // cannot be mounted on.
  absl::Status Mount();
  // How a fence is made; before Run. Without it there is none.
  void ServeFences(FenceWaiter::Fence fence);
  // Serves until the file system is unmounted.
  void Run();
  // Lazily, as umount -l does: those inside stay until they leave.
  void Unmount();

  // For the file system's Invalidations: the calling thread, if it is a worker,
  // begins to wait for what other requests bring about (true), and has waited.
  void HoldUp(bool begins);
  // For them, too: sends them to the kernel. On threads that no request waits
  // for: the notifier's and the injector's.
  // And attributes. From that page on at once; from 0: all, in order.
  void InvalidatePages(NodeId node, uint64_t from_page = 0);
  void InvalidateAttr(NodeId node);
  void InvalidateEntry(NodeId dir, const std::string& name);
  // Gives the kernel the whole content of a file. False: it did not take it.
  bool Store(NodeId node, std::string_view content);

  const RequestCounts& requests() const;
  InjectionPlans& plans();

 private:
  class Impl;

  void InvalidateNode(NodeId node, off_t from);

  std::unique_ptr<Impl> impl_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_SESSION_H_
