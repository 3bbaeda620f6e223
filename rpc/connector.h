// Makes connections to the host at an endpoint.
//
// A connection is a stream socket of this machine, ready for the RPC protocol;
// what lies behind it (a child process, a hypervisor's socket, a command's
// standard streams shared by all connections) is the connector's business. It
// starts a process if the endpoint needs one, starts another when that died,
// and ends it when the connector is destroyed.
//
// Thread-safe.

#ifndef WARMFS_RPC_CONNECTOR_H_
#define WARMFS_RPC_CONNECTOR_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/endpoint.h"
#include "schema/unique_fd.h"

namespace warmfs::rpc {

class Connector {
 public:
  virtual ~Connector() = default;

  // Unavailable if nobody answers there within `timeout`; the message names the
  // endpoint and says what to look at. Blocks.
  virtual absl::StatusOr<UniqueFd> Connect(absl::Duration timeout) = 0;

  // How long it may take to connect, and then until the peer says hello.
  virtual absl::Duration time_limit() const { return absl::Seconds(5); }
};

std::unique_ptr<Connector> MakeConnector(const Endpoint& endpoint);

// The daemon's program: beside our own executable, otherwise on PATH.
std::string HostdProgram();

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_CONNECTOR_H_
