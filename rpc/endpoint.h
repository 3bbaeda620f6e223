// Where a host is: the parsed form of what a user writes.
//
//   PATH                    a directory here; the client starts a host daemon
//   unix:PATH               a Unix socket
//   vsock:CID:PORT          AF_VSOCK (CID 2 is the host)
//   hybrid:PATH:PORT        a Unix socket that speaks Firecracker's and Cloud
//                           Hypervisor's "CONNECT PORT" first
//   tcp:HOST:PORT           loopback only, with a token
//   ssh:[USER@]HOST:PATH    a host daemon started there, over ssh
//   exec:COMMAND            any command that speaks on its standard streams
//
// Values; thread-safe.

#ifndef WARMFS_RPC_ENDPOINT_H_
#define WARMFS_RPC_ENDPOINT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace warmfs::rpc {

struct Endpoint {
  enum class Kind { kDirectory, kUnix, kVsock, kHybrid, kTcp, kCommand };

  Kind kind = Kind::kDirectory;
  std::string path;                  // kDirectory, kUnix, kHybrid
  std::string host;                  // kTcp
  uint32_t cid = 0;                  // kVsock
  uint32_t port = 0;                 // kVsock, kHybrid, kTcp
  std::vector<std::string> command;  // kCommand: argv

  // InvalidArgument with a message that shows the form that was expected.
  static absl::StatusOr<Endpoint> Parse(std::string_view text);
};

// True for an address of this machine (127.0.0.0/8, ::1, localhost). tcp: goes
// nowhere else until it has TLS.
bool IsLoopback(std::string_view host);

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_ENDPOINT_H_
