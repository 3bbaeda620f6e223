// Where connections come from, and the threads that serve them.
//
// One main thread waits for connections, for signals to stop and for time to
// pass; each connection has a thread of its own (connections.h). Stop shuts
// every connection down and waits for its thread, so nothing is cut off in the
// midst of an operation.

#ifndef WARMFS_HOSTD_POSIX_SERVER_H_
#define WARMFS_HOSTD_POSIX_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "hostd/connections.h"
#include "hostd/service.h"
#include "rpc/mux.h"
#include "schema/unique_fd.h"

namespace warmfs::hostd {

class Server {
 public:
  // `stop_fd` becomes readable when the daemon shall stop (a signalfd).
  Server(Service& service, UniqueFd stop_fd);
  ~Server();

  // Endpoint as in rpc/endpoint.h: unix:, vsock: or tcp: (loopback). The other
  // kinds are refused with InvalidArgument.
  absl::Status Listen(const std::string& endpoint);
  // Connections come as descriptors over this socket; its end ends the daemon.
  void ListenOnControl(UniqueFd control);
  // Connections come multiplexed over these streams; their end ends the daemon.
  void ListenOnStreams(UniqueFd in, UniqueFd out);

  // Serves until told to stop, or until a control socket or the streams end.
  void Run();

 private:
  enum class Source { kStop, kListener, kTrustedListener, kControl, kStreams };
  struct Watched {
    Source source;
    UniqueFd fd;
  };
  // False: the daemon ends.
  bool Ready(const Watched& watched);
  void Accept(const Watched& watched);
  void Start(UniqueFd fd, bool needs_token);

  Service& service_;
  std::vector<Watched> watched_;
  std::unique_ptr<rpc::Mux> mux_;
  Connections connections_;  // ends first
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_SERVER_H_
