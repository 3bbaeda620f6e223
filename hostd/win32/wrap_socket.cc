#include <winsock2.h>
// After it.
#include "hostd/wrap_socket.h"

namespace warmfs::hostd {

kj::Own<kj::AsyncIoStream> WrapSocket(kj::AsyncIoContext& io, UniqueFd fd) {
  return io.lowLevelProvider->wrapSocketFd(
      static_cast<kj::LowLevelAsyncIoProvider::Fd>(fd.Release()),
      kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP);
}

bool PeerHasLeft(const kj::AsyncIoStream&) { return false; }

}  // namespace warmfs::hostd
