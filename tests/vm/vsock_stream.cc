#include "tests/vm/vsock_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace warmfs::vm {
namespace {

constexpr uint32_t kBoth = kReceivesNoMore | kSendsNoMore;

// The front of `room`, at most `limit_bytes` of it.
std::vector<iovec> Front(const std::vector<iovec>& room, size_t limit_bytes) {
  std::vector<iovec> front;
  for (const iovec& part : room) {
    const size_t bytes = std::min(part.iov_len, limit_bytes);
    if (bytes == 0) continue;
    front.push_back({part.iov_base, bytes});
    limit_bytes -= bytes;
  }
  return front;
}

bool Passing(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

PacketHeader StreamAddress::Header(PacketOp op) const {
  PacketHeader packet;
  packet.src_cid = kHostCid;
  packet.src_port = host_port;
  packet.dst_cid = guest_cid;
  packet.dst_port = guest_port;
  packet.op = op;
  return packet;
}

VsockStream::VsockStream(UniqueFd socket, const StreamAddress& address,
                         Origin origin)
    : socket_(std::move(socket)),
      address_(address),
      open_(origin == Origin::kGuest),
      want_request_(origin == Origin::kHost),
      want_response_(origin == Origin::kGuest) {}

void VsockStream::Receive(const PacketHeader& packet,
                          std::string_view payload) {
  if (packet.op == kReset) {
    finished_ = true;
    return;
  }
  // The request that made this stream is the first packet, and heard too.
  credit_.Heard(packet);
  if (packet.op != kData && !payload.empty()) {
    want_reset_ = true;
    return;
  }
  switch (packet.op) {
    case kRequest:
    case kCreditUpdate:
      break;
    case kResponse:
      return Established();
    case kData:
      return Data(payload);
    case kShutdown:
      return GuestShutdown(packet.flags);
    case kCreditRequest:
      want_update_ = true;
      break;
    default:
      want_reset_ = true;
  }
}

void VsockStream::Established() {
  if (open_ || want_request_) {
    want_reset_ = true;
    return;
  }
  open_ = true;
  // The first bytes in a new socket: there is room.
  const std::string answer = "OK " + std::to_string(address_.host_port) + "\n";
  if (send(socket_.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0) {
    want_reset_ = true;
  }
}

void VsockStream::Data(std::string_view payload) {
  const bool allowed = open_ && !(guest_ended_ & kSendsNoMore) &&
                       credit_.Received(payload.size());
  if (!allowed) {
    want_reset_ = true;
    return;
  }
  pending_.append(payload);
  Flush();
}

void VsockStream::GuestShutdown(uint32_t flags) {
  guest_ended_ |= flags & kBoth;
  if (guest_ended_ & kReceivesNoMore) shutdown(socket_.get(), SHUT_RD);
  Flush();
}

void VsockStream::Flush() {
  size_t written = 0;
  while (written < pending_.size()) {
    const ssize_t n = send(socket_.get(), pending_.data() + written,
                           pending_.size() - written, MSG_NOSIGNAL);
    if (n < 0 && !Passing(errno)) want_reset_ = true;
    if (n <= 0) break;
    written += n;
  }
  pending_.erase(0, written);
  credit_.Forwarded(written);
  if (pending_.empty()) EndWriting();
}

void VsockStream::EndWriting() {
  if (guest_ended_ & kSendsNoMore) shutdown(socket_.get(), SHUT_WR);
  // The guest waits for this, once it has closed its end.
  if (guest_ended_ == kBoth) want_reset_ = true;
}

std::optional<short> VsockStream::Interest() const {
  if (finished_ || want_reset_ || !open_) return std::nullopt;
  short events = 0;
  if (!pending_.empty()) events |= POLLOUT;
  const bool reading =
      !(host_ended_ & kSendsNoMore) && !(guest_ended_ & kReceivesNoMore);
  // Bytes that the guest has no room for yet wait in the socket; polled, it
  // would tell of them again and again.
  if (reading && readable_)
    return events ? std::optional(events) : std::nullopt;
  if (reading) events |= POLLIN;
  // POLLHUP comes unasked, and after it there is only the rest to write.
  if (events == 0 && host_ended_ == kBoth) return std::nullopt;
  return events;
}

void VsockStream::Polled(short events) {
  if (events & POLLIN) readable_ = true;
  if (events & POLLOUT) Flush();
  if (!(events & (POLLHUP | POLLERR))) return;
  // What is still in the socket is read first; its end comes after it.
  if (host_ended_ & kSendsNoMore || guest_ended_ & kReceivesNoMore) {
    host_ended_ = kBoth;
  } else {
    readable_ = true;
  }
  if (!pending_.empty()) Flush();
}

std::optional<PacketHeader> VsockStream::Next(const std::vector<iovec>& room) {
  if (finished_) return std::nullopt;
  if (auto control = Control()) return control;
  const bool reading = open_ && readable_ && !(host_ended_ & kSendsNoMore) &&
                       !(guest_ended_ & kReceivesNoMore);
  if (!reading) return std::nullopt;
  if (credit_.Sendable() > 0) return ReadSocket(room);
  if (std::exchange(asked_for_credit_, true)) return std::nullopt;
  return Packet(kCreditRequest);
}

std::optional<PacketHeader> VsockStream::Control() {
  if (want_reset_) {
    finished_ = true;
    return Packet(kReset);
  }
  if (std::exchange(want_request_, false)) return Packet(kRequest);
  if (std::exchange(want_response_, false)) return Packet(kResponse);
  if (host_ended_ != host_told_) {
    host_told_ = host_ended_;
    PacketHeader packet = Packet(kShutdown);
    packet.flags = host_told_;
    return packet;
  }
  if (std::exchange(want_update_, false) || credit_.UpdateDue()) {
    return Packet(kCreditUpdate);
  }
  return std::nullopt;
}

std::optional<PacketHeader> VsockStream::ReadSocket(
    const std::vector<iovec>& room) {
  const std::vector<iovec> into = Front(room, credit_.Sendable());
  if (into.empty()) return std::nullopt;
  const ssize_t n = readv(socket_.get(), into.data(), into.size());
  if (n > 0) {
    credit_.Sent(n);
    asked_for_credit_ = false;
    PacketHeader packet = Packet(kData);
    packet.length_bytes = n;
    return packet;
  }
  if (n == 0) {
    host_ended_ |= kSendsNoMore;
  } else if (errno == EAGAIN) {
    readable_ = false;
  } else if (errno != EINTR) {
    want_reset_ = true;
  }
  return Control();
}

PacketHeader VsockStream::Packet(PacketOp op) {
  PacketHeader packet = address_.Header(op);
  credit_.Tell(packet);
  return packet;
}

}  // namespace warmfs::vm
