// Connections on Windows: of sockets that are listened on (listen.h), and
// multiplexed over standard streams. Each is served by a thread of its own
// (connections.h).
//
// Belongs to one thread; Stop may be called from any.

#ifndef WARMFS_HOSTD_WIN32_SERVER_H_
#define WARMFS_HOSTD_WIN32_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "hostd/connections.h"
#include "hostd/service.h"
#include "rpc/mux.h"
#include "rpc/win32/socket.h"
#include "schema/unique_fd.h"

namespace warmfs::hostd {

class Server {
 public:
  explicit Server(Service& service);
  // Ends all connections, after the operation that each is in.
  ~Server();
  Server(const Server&) = delete;

  // As listen.h has them; InvalidArgument without a token.
  absl::Status Listen(const std::string& endpoint);
  // Connections come multiplexed over these; their end ends the daemon.
  void ServeStreams(UniqueFd in, UniqueFd out);

  // Serves until Stop.
  void Run();
  void Stop();

 private:
  void Accept(SOCKET listener);
  void Start(rpc::WinSocket socket, bool needs_token);

  Service& service_;
  const WSAEVENT stop_;
  std::vector<rpc::WinSocket> listeners_;
  std::vector<WSAEVENT> events_;  // stop_, then one for each listener
  std::unique_ptr<rpc::Mux> mux_;
  Connections connections_;  // ends first
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_SERVER_H_
