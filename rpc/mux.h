// Several connections over one byte stream, for endpoints that have only one:
// the standard streams of ssh or of any other command.
//
// Each connection is a socket pair: one end is given to its user, the mux owns
// the other and carries what passes through it. A frame is 8 bytes (connection
// number, length, both little-endian uint32) and then at most kMaxFrame bytes;
// length 0 closes the connection. Only the opening side (the client) makes
// connections, by sending the first frame of a new number.
//
// Two threads, one for each direction, so that neither end can wait for itself:
// a full socket holds up one direction, and its user, which always reads its
// replies, frees it. Each socket has bounded kernel buffers; the mux holds at
// most one frame in each direction.
//
// When the stream ends, all connections end. Thread-safe.

#ifndef WARMFS_RPC_MUX_H_
#define WARMFS_RPC_MUX_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "rpc/mux_io.h"
#include "schema/unique_fd.h"

namespace warmfs::rpc {

class Mux {
 public:
  static constexpr uint32_t kMaxFrame = 64 * 1024;
  // More than a client ever opens; a peer that asks for more is cut off.
  static constexpr size_t kMaxConnections = 256;

  // `on_open` is given the user's end of each connection that the peer opens;
  // none: the peer may not open any. `on_end` is called once when the stream
  // has ended. Both are called on the mux's threads, without a lock.
  Mux(UniqueFd in, UniqueFd out, std::function<void(UniqueFd)> on_open,
      std::function<void()> on_end);
  ~Mux();

  // A new connection. Unavailable when the stream has ended.
  absl::StatusOr<UniqueFd> Open();

  bool alive() const { return alive_; }

 private:
  void ReadLoop();   // stream → sockets
  void WriteLoop();  // sockets → stream
  bool Deliver(uint32_t id, uint32_t length, char* buffer);
  // `alive` false: the peer asks for too much, the stream is to end.
  std::shared_ptr<MuxSocket> FindOrAccept(uint32_t id, bool& alive);
  bool Forward(uint32_t id, const MuxSocket& socket, char* buffer);
  void Stop();
  // The set of sockets has changed.
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const UniqueFd in_;
  const UniqueFd out_;
  const std::function<void(UniqueFd)> on_open_;
  const std::function<void()> on_end_;
  std::atomic<bool> alive_{true};
  absl::Mutex mu_;
  // A byte goes through it to have the write loop look at the set again; one
  // at most is on its way.
  std::unique_ptr<std::pair<MuxSocket, MuxSocket>> wake_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  // Shared, so that a socket in use by one thread is not closed by the other.
  std::map<uint32_t, std::shared_ptr<MuxSocket>> sockets_ ABSL_GUARDED_BY(mu_);
  uint32_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  uint32_t last_accepted_ ABSL_GUARDED_BY(mu_) = 0;
  std::thread reader_;
  std::thread writer_;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_MUX_H_
