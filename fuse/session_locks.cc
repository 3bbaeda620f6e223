// Opening, closing and locking. By default open and flush are answered ENOSYS
// and locks are the kernel's own. With host_locks all of it is served, because
// the kernel gives a process's locks back when it closes a file.

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "fuse/session_internal.h"

namespace warmfs::fuse {
namespace {

void RefuseOpen(fuse_req_t req, fuse_ino_t, fuse_file_info*) {
  Begin(req, Op::kOpen);
  fuse_reply_err(req, ENOSYS);
}

void RefuseFlush(fuse_req_t req, fuse_ino_t, fuse_file_info*) {
  Begin(req, Op::kFlush);
  fuse_reply_err(req, ENOSYS);
}

// Of a file that CREATE opened; nothing is held for it.
void Release(fuse_req_t req, fuse_ino_t, fuse_file_info*) {
  Begin(req, Op::kRelease);
  fuse_reply_err(req, 0);
}

// --- host_locks ---

void Open(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  Begin(req, Op::kOpen);
  fi->keep_cache = 1;
  fuse_reply_open(req, fi);
}

LockRequest UnlockAll(LockKind kind, uint64_t owner) {
  LockRequest request;
  request.owner = owner;
  request.kind = kind;
  request.type = LockType::kUnlock;
  return request;
}

// A close by a process drops all of its fcntl locks on the file.
void Flush(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi) {
  Begin(req, Op::kFlush);
  auto unlocked = Context(req).locks.Ask(
      Host(), ino, UnlockAll(LockKind::kPosix, fi->lock_owner));
  ReplyStatus(req, unlocked.status());
}

void ReleaseLocked(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi) {
  Begin(req, Op::kRelease);
  if (fi->flock_release) {
    (void)Context(req).locks.Ask(Host(), ino,
                                 UnlockAll(LockKind::kFlock, fi->lock_owner));
  }
  fuse_reply_err(req, 0);
}

LockType TypeOf(int type) {
  return type == F_RDLCK   ? LockType::kRead
         : type == F_WRLCK ? LockType::kWrite
                           : LockType::kUnlock;
}

LockRequest ToRequest(const struct flock& lock, uint64_t owner) {
  LockRequest request;
  request.owner = owner;
  request.type = TypeOf(lock.l_type);
  request.start = lock.l_start;
  request.length = lock.l_len;
  return request;
}

void GetLock(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi,
             struct flock* lock) {
  Begin(req, Op::kGetLock);
  LockRequest request = ToRequest(*lock, fi->lock_owner);
  request.test = true;
  absl::StatusOr<LockReply> reply =
      Context(req).locks.Ask(Host(), ino, request);
  if (!reply.ok()) return ReplyStatus(req, reply.status());
  struct flock found = *lock;
  found.l_type = reply->type == LockType::kRead    ? F_RDLCK
                 : reply->type == LockType::kWrite ? F_WRLCK
                                                   : F_UNLCK;
  if (reply->type != LockType::kUnlock) {
    found.l_start = reply->start;
    found.l_len = reply->length;
    // The holder is a process of another machine, or of the host.
    found.l_pid = 0;
  }
  fuse_reply_lock(req, &found);
}

void TakeLock(fuse_req_t req, fuse_ino_t ino, const LockRequest& request,
              bool wait) {
  SessionContext& context = Context(req);
  const int error = ToErrno(context.locks.Ask(Host(), ino, request).status());
  if (error != EAGAIN || !wait) return (void)fuse_reply_err(req, error);
  context.lock_waiter->Add(
      {.node = ino,
       .request = request,
       .interrupted = [req] { return fuse_req_interrupted(req) != 0; },
       .reply = [req](int e) { fuse_reply_err(req, e); }});
}

void SetLock(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi,
             struct flock* lock, int sleep) {
  Begin(req, Op::kSetLock);
  TakeLock(req, ino, ToRequest(*lock, fi->lock_owner), sleep != 0);
}

void Flock(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi, int op) {
  Begin(req, Op::kFlock);
  LockRequest request = UnlockAll(LockKind::kFlock, fi->lock_owner);
  const int kind = op & ~LOCK_NB;
  if (kind == LOCK_SH) request.type = LockType::kRead;
  if (kind == LOCK_EX) request.type = LockType::kWrite;
  TakeLock(req, ino, request, (op & LOCK_NB) == 0);
}

}  // namespace

void AddLockOperations(fuse_lowlevel_ops& ops, bool host_locks) {
  ops.open = host_locks ? Open : RefuseOpen;
  ops.flush = host_locks ? Flush : RefuseFlush;
  ops.release = host_locks ? ReleaseLocked : Release;
  if (!host_locks) return;
  ops.getlk = GetLock;
  ops.setlk = SetLock;
  ops.flock = Flock;
}

}  // namespace warmfs::fuse
