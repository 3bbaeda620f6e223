// Plays the hypervisor of a hybrid vsock, as Firecracker and Cloud Hypervisor
// do on the host: a Unix socket on which a connection first asks for a port of
// the VM ("CONNECT PORT\n"), is answered ("OK NUMBER\n"), and then is the VM's.
// A port on which nothing listens there is answered by hanging up.
//
// The VM's program is whatever listens on another Unix socket.
//
// Thread-safe; has threads of its own.

#ifndef WARMFS_TESTS_FAKES_HYBRID_PEER_H_
#define WARMFS_TESTS_FAKES_HYBRID_PEER_H_

#include <cstdint>
#include <list>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "schema/unique_fd.h"

namespace warmfs {

struct HybridPeerOptions {
  std::string path;    // where the hypervisor listens
  uint32_t port = 0;   // on which the VM does
  std::string answer;  // instead of OK; hangs up after it
  std::string guest;   // the Unix socket behind the port
};

class HybridPeer {
 public:
  explicit HybridPeer(HybridPeerOptions options);
  ~HybridPeer();

  // Ends all connections, as a VM that is stopped does.
  void Cut();

 private:
  // Descriptors stay open until both threads, which end with the connection,
  // have been joined.
  struct Connection {
    UniqueFd client;
    UniqueFd guest;
    std::thread to_guest;
    std::thread to_client;
  };

  void Accept();
  void Serve(UniqueFd client);

  const HybridPeerOptions options_;
  UniqueFd listener_;
  absl::Mutex mu_;
  std::list<Connection> connections_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace warmfs

#endif  // WARMFS_TESTS_FAKES_HYBRID_PEER_H_
