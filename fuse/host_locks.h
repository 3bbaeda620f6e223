// The mode host_locks: takes locks on the host's files for processes here, and
// takes them again when the host has forgotten them, because it was restarted
// or was without us for too long.
//
// A lock that the host does not grant again (another has it, the file is gone)
// is lost: its process goes on believing that it holds it. That cannot be told
// to the process, so it is told to people: in the log and in the status.
// docs/locking.md has the order of things.
//
// Thread-safe. File system and remote outlive it, and no channel of the remote
// is in use any more when it goes.

#ifndef WARMFS_FUSE_HOST_LOCKS_H_
#define WARMFS_FUSE_HOST_LOCKS_H_

#include <atomic>
#include <cstdint>

#include "absl/status/statusor.h"
#include "fuse/file_system.h"
#include "fuse/held_locks.h"
#include "rpc/channel.h"
#include "rpc/remote.h"

namespace warmfs::fuse {

class HostLocks {
 public:
  HostLocks(FileSystem& fs, rpc::Remote& remote);

  // EAGAIN if another holds it: the host never waits.
  absl::StatusOr<LockReply> Ask(rpc::Channel& host, NodeId node,
                                const LockRequest& wanted);

  const HeldLocks& held() const { return held_; }
  // How many were taken again since the mount began.
  uint64_t restored() const { return restored_; }

 private:
  // Stops if the connection breaks, to be called again with another.
  void Restore(rpc::Channel& host);
  absl::StatusOr<LockReply> GiveBack(rpc::Channel& host, NodeId node,
                                     const LockRequest& wanted);

  FileSystem& fs_;
  HeldLocks held_;
  std::atomic<uint64_t> restored_{0};
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_HOST_LOCKS_H_
