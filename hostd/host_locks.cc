#include "hostd/host_locks.h"

#include <cstdint>

#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

bool InRange(uint64_t start, uint64_t length) {
  const uint64_t max = INT64_MAX;
  return start <= max && length <= max - start;
}

}  // namespace

int CheckLock(const LockRequest& request) {
  if (request.kind > LockKind::kFlock || request.type > LockType::kUnlock) {
    return kEINVAL;
  }
  if (request.test && request.kind == LockKind::kFlock) return kEINVAL;
  return InRange(request.start, request.length) ? 0 : kEINVAL;
}

LockReply HostLocks::Apply(const LockRequest& request,
                           const Opener& open_file) {
  LockReply reply;
  reply.error = CheckLock(request);
  if (reply.error != 0) return reply;
  const Key key{request.node.id, request.owner, request.kind};
  absl::MutexLock lock(&mu_);
  if (request.test) return Test(key, request, open_file);
  reply.error = request.type == LockType::kUnlock
                    ? Unlock(key, request)
                    : Acquire(key, request, open_file);
  return reply;
}

size_t HostLocks::size() const {
  absl::MutexLock lock(&mu_);
  return held_.size();
}

}  // namespace warmfs::hostd
