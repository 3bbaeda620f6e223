#include "rpc/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"

namespace warmfs::rpc {
namespace {

template <typename T>
SocketAddress Pack(const T& address) {
  SocketAddress out;
  std::memcpy(&out.storage, &address, sizeof(address));
  out.length = sizeof(address);
  return out;
}

SocketAddress TcpAddress(const Endpoint& e) {
  const std::string host = e.host == "localhost" ? "127.0.0.1" : e.host;
  sockaddr_in6 v6 = {};
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(e.port);
    return Pack(v6);
  }
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(e.port);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) return {};
  return Pack(v4);
}

// A file with no listener behind it is what a killed daemon leaves.
absl::Status RemoveDeadSocket(const Endpoint& e) {
  struct stat st;
  if (lstat(e.path.c_str(), &st) != 0) return absl::OkStatus();
  if (!S_ISSOCK(st.st_mode)) {
    return absl::AlreadyExistsError(e.path + " exists and is not a socket");
  }
  if (ConnectSocket(e, absl::Seconds(1)).ok()) {
    return absl::AlreadyExistsError("another daemon is listening on " + e.path);
  }
  unlink(e.path.c_str());
  return absl::OkStatus();
}

absl::Status WaitConnected(int fd, absl::Duration timeout) {
  pollfd p = {.fd = fd, .events = POLLOUT, .revents = 0};
  const int n = poll(&p, 1, absl::ToInt64Milliseconds(timeout));
  if (n == 0) return absl::UnavailableError("connecting took too long");
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "connect");
}

}  // namespace

absl::Status ErrnoStatus(int error, std::string_view what) {
  return absl::ErrnoToStatus(error, std::string(what));
}

absl::StatusOr<SocketAddress> ToSocketAddress(const Endpoint& e) {
  switch (e.kind) {
    case Endpoint::Kind::kUnix:
    case Endpoint::Kind::kHybrid: {
      sockaddr_un un = {};
      un.sun_family = AF_UNIX;
      if (e.path.size() >= sizeof(un.sun_path)) break;
      std::memcpy(un.sun_path, e.path.data(), e.path.size());
      return Pack(un);
    }
    case Endpoint::Kind::kVsock: {
      sockaddr_vm vm = {};
      vm.svm_family = AF_VSOCK;
      vm.svm_cid = e.cid;
      vm.svm_port = e.port;
      return Pack(vm);
    }
    case Endpoint::Kind::kTcp: {
      const SocketAddress tcp = TcpAddress(e);
      if (tcp.length == 0) break;
      return tcp;
    }
    default:
      break;
  }
  return absl::InvalidArgumentError("this endpoint has no socket address");
}

absl::StatusOr<UniqueFd> ConnectSocket(const Endpoint& e,
                                       absl::Duration timeout) {
  absl::StatusOr<SocketAddress> address = ToSocketAddress(e);
  if (!address.ok()) return address.status();
  UniqueFd fd(socket(address->storage.ss_family,
                     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return ErrnoStatus(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address->storage),
              address->length) != 0) {
    // EAGAIN of a Unix socket: its backlog is full, which is no connection.
    if (errno != EINPROGRESS) return ErrnoStatus(errno, "connect");
    absl::Status connected = WaitConnected(fd.get(), timeout);
    if (!connected.ok()) return connected;
  }
  if (e.kind == Endpoint::Kind::kTcp) {
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
  return fd;
}

absl::StatusOr<UniqueFd> ListenSocket(const Endpoint& e) {
  absl::StatusOr<SocketAddress> address = ToSocketAddress(e);
  if (!address.ok()) return address.status();
  const bool is_unix = e.kind == Endpoint::Kind::kUnix;
  if (is_unix) {
    absl::Status removed = RemoveDeadSocket(e);
    if (!removed.ok()) return removed;
  }
  UniqueFd fd(
      socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return ErrnoStatus(errno, "socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const mode_t before = umask(0177);
  const int bound =
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address->storage),
           address->length);
  const int bind_errno = errno;
  umask(before);
  if (bound != 0) return ErrnoStatus(bind_errno, "bind");
  if (listen(fd.get(), 128) != 0) return ErrnoStatus(errno, "listen");
  return fd;
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

absl::Status SendFd(int socket, const UniqueFd& fd) {
  char byte = 'c';
  iovec iov = {.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr msg = {};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&msg);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int raw = fd.get();
  std::memcpy(CMSG_DATA(header), &raw, sizeof(raw));
  if (sendmsg(socket, &msg, MSG_NOSIGNAL) != 1) {
    return ErrnoStatus(errno, "passing a connection");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> ReceiveFd(int socket) {
  char byte;
  iovec iov = {.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr msg = {};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  const ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
  if (n < 0) return ErrnoStatus(errno, "receiving a connection");
  if (n == 0) return UniqueFd();
  const cmsghdr* header = CMSG_FIRSTHDR(&msg);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return absl::InvalidArgumentError("a message without a descriptor");
  }
  int fd;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return UniqueFd(fd);
}

}  // namespace warmfs::rpc
