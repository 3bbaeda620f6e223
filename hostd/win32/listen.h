// Where hostd waits for clients on Windows: tcp:HOST:PORT of this machine, and
// Hyper-V's sockets (hostd/hvsock.h). They do not say who the peer is, so both
// need a token.
//
// Thread-safe, after WSAStartup.

#ifndef WARMFS_HOSTD_WIN32_LISTEN_H_
#define WARMFS_HOSTD_WIN32_LISTEN_H_

#include <string>

#include "absl/status/statusor.h"
#include "rpc/win32/socket.h"

namespace warmfs::hostd {

// InvalidArgument for endpoints of other kinds, and without a token;
// Unavailable says what to do.
absl::StatusOr<rpc::WinSocket> ListenSocket(const std::string& endpoint,
                                            bool has_token);
// Of a "hvsock:" endpoint.
absl::StatusOr<rpc::WinSocket> ListenHvsock(const std::string& endpoint);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_LISTEN_H_
