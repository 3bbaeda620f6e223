// Connections on Windows: TCP on loopback, each served by a thread of its own
// (connections.h).
//
// Belongs to one thread; Stop may be called from any.

#ifndef WARMFS_HOSTD_WIN32_SERVER_H_
#define WARMFS_HOSTD_WIN32_SERVER_H_

#include <winsock2.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "hostd/connections.h"
#include "hostd/service.h"

namespace warmfs::hostd {

class Server {
 public:
  explicit Server(Service& service);
  // Ends all connections, after the operation that each is in.
  ~Server();
  Server(const Server&) = delete;

  // tcp:HOST:PORT, of this machine. The other kinds are refused with
  // InvalidArgument, and all of them without a token.
  absl::Status Listen(const std::string& endpoint);

  // Serves until Stop.
  void Run();
  void Stop();

 private:
  void Accept(SOCKET listener);

  Service& service_;
  const WSAEVENT stop_;
  std::vector<SOCKET> listeners_;
  std::vector<WSAEVENT> events_;  // stop_, then one for each listener
  Connections connections_;       // ends first
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_SERVER_H_
