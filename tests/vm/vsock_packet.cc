#include "tests/vm/vsock_packet.h"

#include <bit>

namespace warmfs::vm {

static_assert(std::endian::native == std::endian::little);

uint32_t Credit::Sendable() const {
  const uint32_t on_its_way = sent_ - peer_forwarded_;
  return on_its_way >= peer_buffer_ ? 0 : peer_buffer_ - on_its_way;
}

void Credit::Heard(const PacketHeader& packet) {
  peer_buffer_ = packet.buf_alloc;
  peer_forwarded_ = packet.fwd_cnt;
}

bool Credit::Received(uint32_t bytes) {
  const uint32_t waiting = received_ - forwarded_;
  if (bytes > kBufferBytes - waiting) return false;
  received_ += bytes;
  return true;
}

void Credit::Tell(PacketHeader& packet) {
  packet.buf_alloc = kBufferBytes;
  packet.fwd_cnt = told_ = forwarded_;
}

}  // namespace warmfs::vm
