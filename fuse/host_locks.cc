#include "fuse/host_locks.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>

#include "fuse/errors.h"

namespace warmfs::fuse {

HostLocks::HostLocks(FileSystem& fs, rpc::Remote& remote) : fs_(fs) {
  remote.SetRestore([this](rpc::Channel& host) { Restore(host); });
}

absl::StatusOr<LockReply> HostLocks::Ask(rpc::Channel& host, NodeId node,
                                         const LockRequest& wanted) {
  if (wanted.test) return fs_.Lock(host, node, wanted);
  if (wanted.type == LockType::kUnlock) return GiveBack(host, node, wanted);
  if (held_.size() >= HeldLocks::kMaxRanges) return ErrnoError(ENOLCK);
  while (true) {
    absl::StatusOr<LockReply> reply = fs_.Lock(host, node, wanted);
    if (ToErrno(reply.status()) == EIO) held_.Doubt(node, wanted);
    if (!reply.ok()) return reply;
    // Granted by a host that has been followed by another since: that one has
    // been asked for all locks but this.
    if (held_.Add(node, wanted, host.incarnation())) return reply;
  }
}

absl::StatusOr<LockReply> HostLocks::GiveBack(rpc::Channel& host, NodeId node,
                                              const LockRequest& wanted) {
  // Each close of a file ends here; most who close have no locks.
  if (!held_.Drop(node, wanted)) return LockReply();
  absl::StatusOr<LockReply> reply = fs_.Lock(host, node, wanted);
  if (!reply.ok()) held_.Doubt(node, wanted);
  return reply;
}

void HostLocks::Restore(rpc::Channel& host) {
  size_t restored = 0, lost = 0;
  for (const HeldLock& lock : held_.Follow(host.incarnation())) {
    const auto view = fs_.tree().Look(lock.node);
    const int error = ToErrno(fs_.Lock(host, lock.node, lock.request).status());
    if (host.incarnation() == 0) return;
    if (error == 0) {
      ++restored;
      continue;
    }
    ++lost;
    held_.Lose(lock, error);
    spdlog::error("a process here lost its lock on the host's '{}': {}",
                  view ? view->ref.path : "", strerror(error));
  }
  restored_ += restored;
  if (restored + lost > 0) {
    spdlog::warn(
        "the host had forgotten the locks of processes here: {} taken again, "
        "{} lost",
        restored, lost);
  }
}

}  // namespace warmfs::fuse
