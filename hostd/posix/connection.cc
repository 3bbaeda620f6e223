// A connection over a socket of Linux.

#include <kj/async-io.h>
#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "hostd/serve_stream.h"
#include "hostd/service.h"
#include "rpc/socket_stream.h"

namespace warmfs::hostd {

void ServeConnection(UniqueFd fd, Service& service, bool needs_token) {
  try {
    kj::AsyncIoContext io = kj::setupAsyncIo();
    rpc::SocketStream stream(io.unixEventPort, std::move(fd));
    ServeStream(io, stream, service, needs_token);
  } catch (const kj::Exception& e) {
    spdlog::warn("a connection ended: {}", e.getDescription().cStr());
  }
}

}  // namespace warmfs::hostd
