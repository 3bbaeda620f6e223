#include "rpc/socket_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <kj/debug.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace warmfs::rpc {
namespace {

using Bytes = kj::ArrayPtr<const kj::byte>;

// None: it would have to wait.
kj::Maybe<size_t> receive(int fd, void* to, size_t size) {
  ssize_t n = 0;
  KJ_NONBLOCKING_SYSCALL(n = ::read(fd, to, size));
  if (n < 0) return nullptr;
  return static_cast<size_t>(n);
}

// As much as there is room for; removes it from the pieces.
void send(int fd, std::vector<iovec>& pieces) {
  while (!pieces.empty()) {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = std::min<size_t>(pieces.size(), IOV_MAX);
    ssize_t n = 0;
    KJ_NONBLOCKING_SYSCALL(n = ::sendmsg(fd, &message, MSG_NOSIGNAL));
    if (n < 0) return;
    auto left = static_cast<size_t>(n);
    size_t done = 0;
    while (done < pieces.size() && left >= pieces[done].iov_len) {
      left -= pieces[done++].iov_len;
    }
    pieces.erase(pieces.begin(), pieces.begin() + static_cast<long>(done));
    if (left > 0) {
      pieces[0].iov_base = static_cast<kj::byte*>(pieces[0].iov_base) + left;
      pieces[0].iov_len -= left;
    }
  }
}

iovec toIovec(Bytes piece) {
  return {const_cast<kj::byte*>(piece.begin()), piece.size()};  // only read
}

}  // namespace

// Sends what there was no room for. A descriptor of its own, since a loop
// watches each descriptor once.
class SocketStream::Writer {
 public:
  Writer(kj::UnixEventPort& port, int socket, std::vector<iovec> p)
      : fd(fcntl(socket, F_DUPFD_CLOEXEC, 0)),
        observer(port, fd.get(), kj::UnixEventPort::FdObserver::OBSERVE_WRITE),
        pieces(std::move(p)) {}

  kj::Promise<void> run() {
    return observer.whenBecomesWritable().then([this]() -> kj::Promise<void> {
      send(fd.get(), pieces);
      return pieces.empty() ? kj::Promise<void>(kj::READY_NOW) : run();
    });
  }

 private:
  const UniqueFd fd;
  kj::UnixEventPort::FdObserver observer;
  std::vector<iovec> pieces;
};

SocketStream::SocketStream(kj::UnixEventPort& p, UniqueFd socket)
    : port(p),
      fd(std::move(socket)),
      observer(p, fd.get(), kj::UnixEventPort::FdObserver::OBSERVE_READ),
      buffer(kj::heapArray<kj::byte>(kBufferBytes)),
      unread(buffer.slice(0, 0)) {
  // A window of content goes out at once, where the system allows that.
  const int size = kSendBytes;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  const int flags = fcntl(fd.get(), F_GETFL);
  KJ_SYSCALL(fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK));
}

kj::Promise<size_t> SocketStream::tryRead(void* to, size_t minBytes,
                                          size_t maxBytes) {
  auto* out = static_cast<kj::byte*>(to);
  size_t got = 0;
  while (true) {
    const size_t n = std::min(unread.size(), maxBytes - got);
    memcpy(out + got, unread.begin(), n);
    unread = unread.slice(n, unread.size());
    got += n;
    if (got >= minBytes) return got;
    // The buffer is empty. Each time until there is nothing: the loop tells of
    // what comes after that, and only of that.
    const size_t wanted = maxBytes - got;
    const bool direct = wanted >= kBufferBytes;
    auto received = direct ? receive(fd.get(), out + got, wanted)
                           : receive(fd.get(), buffer.begin(), buffer.size());
    KJ_IF_MAYBE (size, received) {
      if (*size == 0) return got;  // the end
      if (direct) {
        got += *size;
      } else {
        unread = buffer.slice(0, *size);
      }
      continue;
    }
    return observer.whenBecomesReadable().then(
        [this, out, got, minBytes, maxBytes]() {
          return tryRead(out + got, minBytes - got, maxBytes - got)
              .then([got](size_t more) { return got + more; });
        });
  }
}

kj::Promise<void> SocketStream::write(const void* from, size_t size) {
  const Bytes piece(static_cast<const kj::byte*>(from), size);
  return write(kj::arrayPtr(&piece, 1));
}

kj::Promise<void> SocketStream::write(kj::ArrayPtr<const Bytes> pieces) {
  std::vector<iovec> left;
  left.reserve(pieces.size());
  for (const Bytes& piece : pieces) {
    if (piece.size() > 0) left.push_back(toIovec(piece));
  }
  send(fd.get(), left);
  if (left.empty()) return kj::READY_NOW;
  auto writer = kj::heap<Writer>(port, fd.get(), std::move(left));
  auto done = writer->run();
  return done.attach(kj::mv(writer));
}

void SocketStream::shutdownWrite() { KJ_SYSCALL(shutdown(fd.get(), SHUT_WR)); }

void SocketStream::abortRead() { KJ_SYSCALL(shutdown(fd.get(), SHUT_RD)); }

void SocketStream::getsockopt(int level, int option, void* value,
                              kj::uint* length) {
  socklen_t size = *length;
  KJ_SYSCALL(::getsockopt(fd.get(), level, option, value, &size));
  *length = size;
}

}  // namespace warmfs::rpc
