#include "rpc/mux_io.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"

namespace warmfs::rpc {
namespace {

int Fd(uintptr_t socket) { return static_cast<int>(socket); }

// To a socket without a SIGPIPE when the other end is gone; to a pipe, whose
// user has to ignore that signal, otherwise.
bool WriteFull(int fd, const char* data, size_t size) {
  while (size > 0) {
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK) n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

bool ReadStream(const UniqueFd& in, char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = read(in.get(), data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool WriteStream(const UniqueFd& out, const char* data, size_t size) {
  return WriteFull(out.get(), data, size);
}

void EndStream(const UniqueFd& stream) { shutdown(stream.get(), SHUT_RDWR); }

absl::StatusOr<std::pair<MuxSocket, MuxSocket>> MuxSocket::Pair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  return std::make_pair(MuxSocket(static_cast<uintptr_t>(fds[0])),
                        MuxSocket(static_cast<uintptr_t>(fds[1])));
}

UniqueFd MuxSocket::Release() && {
  return UniqueFd(Fd(std::exchange(socket_, kNone)));
}

MuxSocket::~MuxSocket() {
  if (socket_ != kNone) close(Fd(socket_));
}

bool MuxSocket::Send(const char* data, size_t size) const {
  return WriteFull(Fd(socket_), data, size);
}

int MuxSocket::Receive(char* data, size_t size) const {
  const ssize_t n = recv(Fd(socket_), data, size, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
  return static_cast<int>(n);
}

void MuxSocket::ShutDown() const { shutdown(Fd(socket_), SHUT_RDWR); }

std::vector<bool> MuxSocket::Await(
    const std::vector<const MuxSocket*>& sockets) {
  std::vector<pollfd> polls;
  for (const MuxSocket* s : sockets) {
    polls.push_back({Fd(s->socket_), POLLIN, 0});
  }
  poll(polls.data(), polls.size(), -1);
  std::vector<bool> ready;
  for (const pollfd& p : polls) ready.push_back(p.revents != 0);
  return ready;
}

}  // namespace warmfs::rpc
