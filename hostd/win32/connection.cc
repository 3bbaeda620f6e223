// A connection over a socket of Windows.

#include <winsock2.h>
// After it.
#include <kj/async-io.h>
#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "hostd/serve_stream.h"
#include "hostd/service.h"

namespace warmfs::hostd {

void ServeConnection(UniqueFd fd, Service& service, bool needs_token) {
  try {
    kj::AsyncIoContext io = kj::setupAsyncIo();
    auto stream = io.lowLevelProvider->wrapSocketFd(
        static_cast<kj::LowLevelAsyncIoProvider::Fd>(fd.Release()),
        kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP);
    ServeStream(io, *stream, service, needs_token);
  } catch (const kj::Exception& e) {
    spdlog::warn("a connection ended: {}", e.getDescription().cStr());
  }
}

}  // namespace warmfs::hostd
