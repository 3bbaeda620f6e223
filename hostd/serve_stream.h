// One connection, over whatever stream the system has for it: ServeConnection
// of each system ends here.
//
// In KJ's types. Runs on the connection's own thread and loop.

#ifndef WARMFS_HOSTD_SERVE_STREAM_H_
#define WARMFS_HOSTD_SERVE_STREAM_H_

#include <kj/async-io.h>

#include "hostd/service.h"

namespace warmfs::hostd {

// Returns when the peer is gone. Throws kj::Exception.
void ServeStream(kj::AsyncIoContext& io, kj::AsyncIoStream& stream,
                 Service& service, bool needs_token);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_SERVE_STREAM_H_
