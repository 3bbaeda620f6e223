// What the session_*.cc files share: the context of a request, and replies.
// Includes libfuse; not for other files.

#ifndef WARMFS_FUSE_SESSION_INTERNAL_H_
#define WARMFS_FUSE_SESSION_INTERNAL_H_

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 14)
#include <fuse_lowlevel.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuse/errors.h"
#include "fuse/fence_waiter.h"
#include "fuse/file_system.h"
#include "fuse/host_locks.h"
#include "fuse/injection_plan.h"
#include "fuse/lock_waiter.h"
#include "fuse/options.h"
#include "fuse/requests.h"

namespace warmfs::fuse {

// What the operations need, as libfuse's userdata.
struct SessionContext {
  const MountOptions& options;
  FileSystem& fs;
  HostLocks& locks;
  rpc::Remote& remote;
  RequestCounts requests;
  InjectionPlans plans;
  fuse_lowlevel_ops served;         // what serves all but the injector's hands
  fuse_session* session = nullptr;  // from Mount on
  std::unique_ptr<LockWaiter> lock_waiter;    // with host_locks
  std::unique_ptr<FenceWaiter> fence_waiter;  // with leases
};

// One worker's own.
struct Worker {
  explicit Worker(rpc::Remote& remote) : host(remote) {}
  rpc::Channel host;
};

// Of the calling thread; set by the session's workers.
extern thread_local Worker* current_worker;

inline SessionContext& Context(fuse_req_t req) {
  return *static_cast<SessionContext*>(fuse_req_userdata(req));
}

// Counts the request and gives what serves it.
inline FileSystem& Begin(fuse_req_t req, Op op) {
  SessionContext& context = Context(req);
  context.requests.Add(op);
  return context.fs;
}

inline rpc::Channel& Host() { return current_worker->host; }

inline void ReplyStatus(fuse_req_t req, const absl::Status& status) {
  fuse_reply_err(req, ToErrno(status));
}

// The kernel is told to drop an inode's attributes, and these pages of it (none
// from a negative offset, to the end for no length). That of attributes alone
// waits for nothing in the kernel, so workers may do it.
int Drop(SessionContext& context, NodeId node, off_t offset, off_t length);

struct stat ToStat(const Attr& attr);
fuse_entry_param ToEntryParam(const Entry& entry);
void ReplyEntry(fuse_req_t req, const absl::StatusOr<Entry>& entry);
void ReplyAttr(fuse_req_t req, const absl::StatusOr<Entry>& entry);
Caller CallerOf(fuse_req_t req);

// Each group of operations puts its functions into the table.
void AddNameOperations(fuse_lowlevel_ops& ops);
void AddContentOperations(fuse_lowlevel_ops& ops);
void AddDirectoryOperations(fuse_lowlevel_ops& ops);
void AddLockOperations(fuse_lowlevel_ops& ops, bool host_locks);
// Goes before the others, as they are in SessionContext::served.
void PutHandsFirst(fuse_lowlevel_ops& ops);

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_SESSION_INTERNAL_H_
