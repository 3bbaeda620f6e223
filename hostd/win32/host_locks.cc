// Locks on Windows are mandatory: one of a client would keep hostd itself, and
// every program on the host, from reading and writing. So none are taken for
// clients, and `-o locks=host` is answered EOPNOTSUPP.

#include "hostd/host_locks.h"

#include "schema/linux_abi.h"

namespace warmfs::hostd {

LockReply HostLocks::Apply(const LockRequest&, const Opener&) {
  LockReply reply;
  reply.error = kEOPNOTSUPP;
  return reply;
}

size_t HostLocks::size() const { return 0; }

}  // namespace warmfs::hostd
