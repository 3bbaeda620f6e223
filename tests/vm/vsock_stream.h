// One stream between the guest and a Unix socket of the host: what of it is on
// its way, how much may be, and how it ends.
//
// It makes packets only when it is asked for one (Next), so that nothing piles
// up for a guest that takes nothing; and it reads no more from the socket than
// the guest has room for. What the guest sent and the socket does not take is
// kept, at most Credit::kBufferBytes; a guest that sends more is reset.
//
// Thread-compatible. Owns the socket, which must be non-blocking.

#ifndef WARMFS_TESTS_VM_VSOCK_STREAM_H_
#define WARMFS_TESTS_VM_VSOCK_STREAM_H_

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/unique_fd.h"
#include "tests/vm/vsock_packet.h"

namespace warmfs::vm {

struct StreamAddress {
  uint64_t guest_cid = 0;
  uint32_t guest_port = 0;
  uint32_t host_port = 0;

  // Of a packet to the guest.
  PacketHeader Header(PacketOp op) const;
};

class VsockStream {
 public:
  // Who asked for the connection.
  enum class Origin { kGuest, kHost };

  VsockStream(UniqueFd socket, const StreamAddress& address, Origin origin);

  // A packet of the guest. `payload` is as long as the header says.
  void Receive(const PacketHeader& packet, std::string_view payload);

  // The next packet for the guest, its payload written to `room`; nothing if
  // there is none for now.
  std::optional<PacketHeader> Next(const std::vector<iovec>& room);

  int socket() const { return socket_.get(); }
  // What to poll the socket for; nothing: not at all.
  std::optional<short> Interest() const;
  void Polled(short events);

  // Both sides know that it is over.
  bool finished() const { return finished_; }

 private:
  void Established();
  void Data(std::string_view payload);
  void GuestShutdown(uint32_t flags);
  void Flush();
  void EndWriting();
  std::optional<PacketHeader> Control();
  std::optional<PacketHeader> ReadSocket(const std::vector<iovec>& room);
  PacketHeader Packet(PacketOp op);

  UniqueFd socket_;
  const StreamAddress address_;
  Credit credit_;
  std::string pending_;  // from the guest, for the socket

  bool open_;
  bool finished_ = false;
  bool readable_ = false;  // as far as is known
  bool asked_for_credit_ = false;
  uint32_t guest_ended_ = 0;  // flags of kShutdown that the guest has sent
  uint32_t host_ended_ = 0;   // those that the socket's end amounts to
  uint32_t host_told_ = 0;    // those of them that the guest has been told

  bool want_request_;
  bool want_response_;
  bool want_reset_ = false;
  bool want_update_ = false;
};

}  // namespace warmfs::vm

#endif  // WARMFS_TESTS_VM_VSOCK_STREAM_H_
