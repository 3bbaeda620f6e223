// The seam between a connection and the system: a socket as a stream of KJ's.
//
// In KJ's types. Belongs to the loop's thread.

#ifndef WARMFS_HOSTD_WRAP_SOCKET_H_
#define WARMFS_HOSTD_WRAP_SOCKET_H_

#include <kj/async-io.h>

#include "schema/unique_fd.h"

namespace warmfs::hostd {

// Throws kj::Exception.
kj::Own<kj::AsyncIoStream> WrapSocket(kj::AsyncIoContext& io, UniqueFd fd);

// Has the other end of such a stream been closed, whatever it sent before?
// False also where the system does not tell.
bool PeerHasLeft(const kj::AsyncIoStream& stream);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WRAP_SOCKET_H_
