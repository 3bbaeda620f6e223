#include "hostd/wrap_socket.h"

#include <utility>

#include "rpc/socket_stream.h"

namespace warmfs::hostd {

kj::Own<kj::AsyncIoStream> WrapSocket(kj::AsyncIoContext& io, UniqueFd fd) {
  return kj::heap<rpc::SocketStream>(io.unixEventPort, std::move(fd));
}

}  // namespace warmfs::hostd
