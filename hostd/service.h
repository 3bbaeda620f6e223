// Serves one connection: the Host capability of schema/warmfs.capnp, and what
// it leads to (login → Session, attach → Export).
//
// A connection is served by the thread that calls ServeConnection, with an
// event loop of its own; blocking on the file system there is fine, since
// nobody else waits for that thread. What connections share is thread-safe:
// the exports, and the state of clients that have several connections.
//
// Against hostile peers: a message over 4 MiB ends the connection; while
// replies wait to be read by the peer, no further request is read (8 MiB of
// them at most, guarded_stream.h); and a peer that never says which results it
// is done with is
// cut off (docs/security.md).

#ifndef WARMFS_HOSTD_SERVICE_H_
#define WARMFS_HOSTD_SERVICE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "hostd/client_state.h"
#include "hostd/export.h"
#include "schema/unique_fd.h"

namespace warmfs::hostd {

// The state of clients by their id, kept for a while after the last connection
// of one is gone, so that a broken connection costs it no orphans and no locks.
// Thread-safe.
class Clients {
 public:
  // Of a client that has no connection left.
  static constexpr absl::Duration kGrace = absl::Seconds(30);
  static constexpr size_t kMaxClients = 64;

  // The state of this client; null when there are too many clients.
  std::shared_ptr<ClientState> Find(const std::string& client_id);
  // Drops clients that have been gone for the time of grace.
  void Sweep(absl::Time now);

 private:
  struct Known {
    std::shared_ptr<ClientState> state;
    absl::Time gone_since = absl::InfiniteFuture();
  };
  absl::Mutex mu_;
  std::map<std::string, Known> clients_ ABSL_GUARDED_BY(mu_);
};

// What all connections of a daemon serve. Immutable but for `clients`.
struct Service {
  std::vector<std::unique_ptr<Export>> exports;
  // Asked of connections that do not come from this user by themselves.
  std::string token;
  uint64_t instance = 0;
  Clients clients;
};

// Returns when the peer is gone, or `fd` was shut down. `needs_token`: the
// transport does not tell who the peer is.
void ServeConnection(UniqueFd fd, Service& service, bool needs_token);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_SERVICE_H_
