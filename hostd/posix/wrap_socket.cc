#include "hostd/wrap_socket.h"

#include <kj/debug.h>
#include <poll.h>

#include <utility>

#include "rpc/socket_stream.h"

namespace warmfs::hostd {

kj::Own<kj::AsyncIoStream> WrapSocket(kj::AsyncIoContext& io, UniqueFd fd) {
  return kj::heap<rpc::SocketStream>(io.unixEventPort, std::move(fd));
}

bool PeerHasLeft(const kj::AsyncIoStream& stream) {
  pollfd socket{KJ_ASSERT_NONNULL(stream.getFd()), POLLRDHUP, 0};
  return poll(&socket, 1, 0) > 0 &&
         (socket.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace warmfs::hostd
