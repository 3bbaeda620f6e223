// What the mux asks of the system: its stream, and sockets to be waited for.
//
// Thread-safe as far as the descriptors are: one thread reads and one writes.

#ifndef WARMFS_RPC_MUX_IO_H_
#define WARMFS_RPC_MUX_IO_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "schema/unique_fd.h"

namespace warmfs::rpc {

// Of the stream, which may be sockets or pipes. False: it has ended.
bool ReadStream(const UniqueFd& in, char* data, size_t size);
bool WriteStream(const UniqueFd& out, const char* data, size_t size);
// Whoever reads or writes it is woken. A pipe's reader on Linux is not, before
// the peer's process ends.
void EndStream(const UniqueFd& stream);

class MuxSocket {
 public:
  // The two ends of a connection within this process.
  static absl::StatusOr<std::pair<MuxSocket, MuxSocket>> Pair();

  MuxSocket(MuxSocket&& other) noexcept
      : socket_(std::exchange(other.socket_, kNone)) {}
  MuxSocket& operator=(MuxSocket&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  ~MuxSocket();
  UniqueFd Release() &&;

  // All of it; false: the other end is gone.
  bool Send(const char* data, size_t size) const;
  // What is there, at most `size`: 0 at the end, -1 if there is nothing yet.
  int Receive(char* data, size_t size) const;
  void ShutDown() const;

  // Waits until one of them has something, or has ended, and says which.
  static std::vector<bool> Await(const std::vector<const MuxSocket*>& sockets);

 private:
  static constexpr uintptr_t kNone = ~uintptr_t{0};
  explicit MuxSocket(uintptr_t socket) : socket_(socket) {}

  uintptr_t socket_ = kNone;  // a descriptor, or Windows' SOCKET
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_MUX_IO_H_
