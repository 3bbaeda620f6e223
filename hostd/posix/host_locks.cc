#include "hostd/host_locks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include <cstdint>
#include <utility>

namespace warmfs::hostd {
namespace {

struct flock ToFlock(const LockRequest& request) {
  static constexpr short kTypes[] = {F_RDLCK, F_WRLCK, F_UNLCK};
  struct flock lock {};
  lock.l_type = kTypes[static_cast<size_t>(request.type)];
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(request.start);
  lock.l_len = static_cast<off_t>(request.length);
  return lock;
}

int SetLock(int fd, const LockRequest& request) {
  int result = 0;
  if (request.kind == LockKind::kFlock) {
    const bool shared = request.type == LockType::kRead;
    result = flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB);
  } else {
    struct flock lock = ToFlock(request);
    result = fcntl(fd, F_OFD_SETLK, &lock);
  }
  if (result == 0) return 0;
  return errno == EACCES ? EAGAIN : errno;
}

void Describe(const struct flock& found, LockReply* reply) {
  if (found.l_type == F_UNLCK) return;
  reply->type = found.l_type == F_RDLCK ? LockType::kRead : LockType::kWrite;
  reply->start = static_cast<uint64_t>(found.l_start);
  reply->length = static_cast<uint64_t>(found.l_len);
  // -1 for the holder of an OFD lock: any number of processes.
  reply->pid = found.l_pid > 0 ? static_cast<uint32_t>(found.l_pid) : 0;
}

}  // namespace

HostLocks::~HostLocks() = default;

LockReply HostLocks::Test(const Key& key, const LockRequest& request,
                          const Opener& open_file) {
  LockReply reply;
  UniqueFd fresh;
  const auto it = held_.find(key);
  if (it == held_.end()) {
    reply.error = open_file(&fresh);
    if (reply.error != 0) return reply;
  }
  struct flock lock = ToFlock(request);
  const int fd = it == held_.end() ? fresh.get() : it->second.fd.get();
  if (fcntl(fd, F_OFD_GETLK, &lock) == 0) {
    Describe(lock, &reply);
  } else {
    reply.error = errno;
  }
  return reply;
}

int HostLocks::Acquire(const Key& key, const LockRequest& request,
                       const Opener& open_file) {
  const auto it = held_.find(key);
  if (it != held_.end()) return SetLock(it->second.fd.get(), request);
  if (held_.size() >= kMaxLocks) return ENOLCK;
  HeldFd held{FdSlot(budget_), {}};
  if (!held.slot) return ENOLCK;
  if (const int error = open_file(&held.fd)) return error;
  if (const int error = SetLock(held.fd.get(), request)) return error;
  held_.emplace(key, std::move(held));
  return 0;
}

int HostLocks::Unlock(const Key& key, const LockRequest& request) {
  const auto it = held_.find(key);
  if (it == held_.end()) return 0;
  const bool whole = request.start == 0 && request.length == 0;
  if (request.kind == LockKind::kFlock || whole) {
    held_.erase(it);  // the last descriptor of its description: all locks go
    return 0;
  }
  struct flock lock = ToFlock(request);
  return fcntl(it->second.fd.get(), F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

}  // namespace warmfs::hostd
