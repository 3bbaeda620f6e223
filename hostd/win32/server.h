// Connections on Windows: TCP on loopback, each served by a thread of its own
// (service.h), at most kMaxConnections at a time: a further one is closed at
// once.
//
// Belongs to one thread; Stop may be called from any.

#ifndef WARMFS_HOSTD_WIN32_SERVER_H_
#define WARMFS_HOSTD_WIN32_SERVER_H_

#include <winsock2.h>

#include <list>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "hostd/service.h"

namespace warmfs::hostd {

class Server {
 public:
  static constexpr size_t kMaxConnections = 256;

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
  struct Connection {
    std::thread thread;
    SOCKET socket = INVALID_SOCKET;  // guarded by mu_; invalid once closed
    bool done = false;               // guarded by mu_
  };

  void Accept(SOCKET listener);
  void Reap();

  Service& service_;
  const WSAEVENT stop_;
  std::vector<SOCKET> listeners_;
  std::vector<WSAEVENT> events_;  // stop_, then one for each listener
  absl::Mutex mu_;
  std::list<Connection> connections_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_SERVER_H_
