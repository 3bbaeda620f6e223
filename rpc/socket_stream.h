// A connected stream socket for KJ's event loop, with half the wake-ups of KJ's
// own (LowLevelAsyncIoProvider::wrapSocketFd).
//
// KJ's watches its socket for room to write all the time. A Unix socket tells
// of room each time the peer has taken something out, so each message that is
// sent wakes its sender once more, for nothing. Here room is watched for only
// while there is none. And a message's head and body are read by one system
// call.
//
// In KJ's style, since it is a KJ type. Belongs to one event loop, which
// outlives it.

#ifndef WARMFS_RPC_SOCKET_STREAM_H_
#define WARMFS_RPC_SOCKET_STREAM_H_

#include <kj/async-io.h>
#include <kj/async-unix.h>

#include "schema/unique_fd.h"

namespace warmfs::rpc {

class SocketStream final : public kj::AsyncIoStream {
 public:
  // Larger reads go past the buffer.
  static constexpr size_t kBufferBytes = 16 * 1024;
  static constexpr int kSendBytes = 1024 * 1024;

  // Makes the socket non-blocking.
  SocketStream(kj::UnixEventPort& port, UniqueFd socket);

  kj::Promise<size_t> tryRead(void* to, size_t minBytes,
                              size_t maxBytes) override;
  kj::Promise<void> write(const void* from, size_t size) override;
  kj::Promise<void> write(
      kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override {
    return observer.whenWriteDisconnected();
  }
  void shutdownWrite() override;
  void abortRead() override;
  void getsockopt(int level, int option, void* value,
                  kj::uint* length) override;
  kj::Maybe<int> getFd() const override { return fd.get(); }

 private:
  class Writer;

  kj::UnixEventPort& port;
  const UniqueFd fd;
  kj::UnixEventPort::FdObserver observer;  // of what can be read
  kj::Array<kj::byte> buffer;
  kj::ArrayPtr<kj::byte> unread;  // within the buffer
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_SOCKET_STREAM_H_
