// Sockets as both ends need them: addresses, connecting with a time limit,
// passing a descriptor. Linux only. Thread-safe.

#ifndef WARMFS_RPC_SOCKET_H_
#define WARMFS_RPC_SOCKET_H_

#include <sys/socket.h>

#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/endpoint.h"
#include "schema/unique_fd.h"

namespace warmfs::rpc {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t length = 0;
};

// Of a kUnix, kHybrid, kVsock or kTcp endpoint.
absl::StatusOr<SocketAddress> ToSocketAddress(const Endpoint& endpoint);

// A connected stream socket, close-on-exec. Unavailable if refused or late.
absl::StatusOr<UniqueFd> ConnectSocket(const Endpoint& endpoint,
                                       absl::Duration timeout);

// A listening socket. For a Unix socket: mode 0600, and a dead socket file of
// an earlier daemon is replaced, a living one is not (AlreadyExists).
absl::StatusOr<UniqueFd> ListenSocket(const Endpoint& endpoint);

// Two connected ends, close-on-exec.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair();

// Sends `fd` as ancillary data with one byte (SCM_RIGHTS), and receives one.
// ReceiveFd: an empty descriptor at the end of the stream.
absl::Status SendFd(int socket, const UniqueFd& fd);
absl::StatusOr<UniqueFd> ReceiveFd(int socket);

// An errno as a status with `what` in front of its text.
absl::Status ErrnoStatus(int error, std::string_view what);

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_SOCKET_H_
