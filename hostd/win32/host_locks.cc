// Locks on Windows are mandatory: one of a client would keep hostd itself, and
// every program on the host, from reading and writing. So those of clients are
// in a table of this process.

#include "hostd/host_locks.h"

#include <utility>

#include "hostd/lock_table.h"
#include "hostd/win32/handle.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

// Of all clients, for as long as the process runs.
LockTable& AllLocks() {
  static LockTable* const table = new LockTable;
  return *table;
}

}  // namespace

HostLocks::~HostLocks() { AllLocks().Drop(this); }

LockReply HostLocks::Test(const Key& key, const LockRequest& request,
                          const Opener& open_file) {
  UniqueFd file;
  LockReply reply;
  if (!held_.contains(key)) reply.error = open_file(&file);
  return reply.error != 0 ? reply : AllLocks().Test(this, request);
}

int HostLocks::Acquire(const Key& key, const LockRequest& request,
                       const Opener& open_file) {
  if (held_.contains(key)) return AllLocks().Set(this, request);
  if (held_.size() >= kMaxLocks) return kENOLCK;
  HeldFd held{FdSlot(budget_), {}};
  if (!held.slot) return kENOLCK;
  UniqueFd file;
  if (const int error = open_file(&file)) return error;
  // Its id stays its own meanwhile, and it is in nobody's way.
  if (const int error = OpenRelative(file.get(), L"", {}, &held.fd)) {
    return error;
  }
  if (const int error = AllLocks().Set(this, request)) return error;
  held_.emplace(key, std::move(held));
  return 0;
}

int HostLocks::Unlock(const Key& key, const LockRequest& request) {
  if (!held_.contains(key)) return 0;
  AllLocks().Set(this, request);
  const bool whole = request.start == 0 && request.length == 0;
  if (request.kind == LockKind::kFlock || whole) held_.erase(key);
  return 0;
}

}  // namespace warmfs::hostd
