// The packets of a virtio socket device, and the credit that each side of a
// stream gives the other (virtio 1.2, 5.10.6).
//
// Values; thread-compatible.

#ifndef WARMFS_TESTS_VM_VSOCK_PACKET_H_
#define WARMFS_TESTS_VM_VSOCK_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace warmfs::vm {

inline constexpr uint64_t kHostCid = 2;
inline constexpr uint16_t kStream = 1;

enum PacketOp : uint16_t {
  kRequest = 1,
  kResponse = 2,
  kReset = 3,
  kShutdown = 4,
  kData = 5,
  kCreditUpdate = 6,
  kCreditRequest = 7,
};

// Flags of kShutdown: what the sender will not do any more.
inline constexpr uint32_t kReceivesNoMore = 1;
inline constexpr uint32_t kSendsNoMore = 2;

// As it lies in the guest's memory, little endian.
struct PacketHeader {
  uint64_t src_cid = 0;
  uint64_t dst_cid = 0;
  uint32_t src_port = 0;
  uint32_t dst_port = 0;
  uint32_t length_bytes = 0;
  uint16_t type = kStream;
  uint16_t op = 0;
  uint32_t flags = 0;
  uint32_t buf_alloc = 0;
  uint32_t fwd_cnt = 0;
};

// Without the padding that C++ adds to the struct.
inline constexpr size_t kHeaderBytes = 44;
static_assert(offsetof(PacketHeader, fwd_cnt) + 4 == kHeaderBytes);

// Of one stream. All counters wrap, as the device's do.
class Credit {
 public:
  // How much of the guest's data may be on its way or wait here.
  static constexpr uint32_t kBufferBytes = 1 << 20;

  // How many bytes may be sent to the guest now. Nothing, if what it said of
  // its buffer is impossible.
  uint32_t Sendable() const;
  void Sent(uint32_t bytes) { sent_ += bytes; }
  // Every packet of the guest tells this.
  void Heard(const PacketHeader& packet);

  // False if the guest sends more than it was told that there is room for.
  bool Received(uint32_t bytes);
  void Forwarded(uint32_t bytes) { forwarded_ += bytes; }
  // So much has been forwarded since the guest was last told that it may be
  // waiting.
  bool UpdateDue() const { return forwarded_ - told_ >= kBufferBytes / 4; }
  void Tell(PacketHeader& packet);

 private:
  uint32_t sent_ = 0;
  uint32_t peer_buffer_ = 0;
  uint32_t peer_forwarded_ = 0;
  uint32_t received_ = 0;
  uint32_t forwarded_ = 0;
  uint32_t told_ = 0;
};

}  // namespace warmfs::vm

#endif  // WARMFS_TESTS_VM_VSOCK_PACKET_H_
