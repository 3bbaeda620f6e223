#include "tests/vm/vsock_relay.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "rpc/socket.h"

namespace warmfs::vm {
namespace {

// Of one Exchange, and of each of its rounds: some hundred microseconds.
constexpr int kRounds = 16;
constexpr int kPacketsTaken = 16;

constexpr size_t kLongestLine = sizeof("CONNECT 4294967295\n") - 1;

rpc::Endpoint UnixEndpoint(std::string path) {
  rpc::Endpoint endpoint;
  endpoint.kind = rpc::Endpoint::Kind::kUnix;
  endpoint.path = std::move(path);
  return endpoint;
}

bool SetNonBlocking(const UniqueFd& socket) {
  return fcntl(socket.get(), F_SETFL, O_NONBLOCK) == 0;
}

std::optional<uint32_t> PortOf(std::string_view line) {
  constexpr std::string_view kWord = "CONNECT ";
  if (!line.starts_with(kWord) || !line.ends_with('\n')) return std::nullopt;
  line.remove_prefix(kWord.size());
  line.remove_suffix(1);
  uint32_t port = 0;
  const auto [end, error] =
      std::from_chars(line.data(), line.data() + line.size(), port);
  if (error != std::errc() || end != line.data() + line.size()) {
    return std::nullopt;
  }
  return port;
}

size_t SizeOf(const std::vector<iovec>& parts) {
  size_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  return bytes;
}

// `parts` without the first `bytes` bytes.
std::vector<iovec> Behind(const std::vector<iovec>& parts, size_t bytes) {
  std::vector<iovec> rest;
  for (const iovec& part : parts) {
    const size_t cut = std::min(bytes, part.iov_len);
    bytes -= cut;
    if (cut == part.iov_len) continue;
    rest.push_back(
        {static_cast<char*>(part.iov_base) + cut, part.iov_len - cut});
  }
  return rest;
}

// The first `bytes` bytes, at most what there is.
std::string Gather(const std::vector<iovec>& parts, size_t bytes) {
  std::string gathered;
  for (const iovec& part : parts) {
    const size_t n = std::min(bytes - gathered.size(), part.iov_len);
    gathered.append(static_cast<const char*>(part.iov_base), n);
  }
  return gathered;
}

void Scatter(std::string_view bytes, const std::vector<iovec>& parts) {
  for (const iovec& part : parts) {
    const size_t n = std::min(bytes.size(), part.iov_len);
    std::memcpy(part.iov_base, bytes.data(), n);
    bytes.remove_prefix(n);
  }
}

}  // namespace

absl::Status VsockRelay::Listen() {
  auto listener = rpc::ListenSocket(UnixEndpoint(base_));
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  if (!SetNonBlocking(listener_)) {
    return absl::ErrnoToStatus(errno, base_);
  }
  return absl::OkStatus();
}

void VsockRelay::AppendTo(std::vector<pollfd>& polled) {
  polled.push_back({listener_.get(), POLLIN, 0});
  for (const Caller& caller : callers_) {
    polled.push_back({caller.socket.get(), POLLIN, 0});
  }
  for (const auto& [key, stream] : streams_) {
    const std::optional<short> interest = stream.Interest();
    polled.push_back(
        {interest ? stream.socket() : -1, interest.value_or(0), 0});
  }
}

void VsockRelay::Polled(const pollfd* polled, size_t count) {
  const pollfd* const listener = polled++;
  // In the order of AppendTo; what is new comes in only after that.
  const pollfd* stream_polled = polled + callers_.size();
  for (auto& [key, stream] : streams_) {
    const short events = (stream_polled++)->revents;
    if (events != 0) stream.Polled(events);
  }
  for (auto next = callers_.begin(); next != callers_.end();) {
    const auto caller = next++;
    if ((polled++)->revents != 0) Introduce(caller);
  }
  if (listener->revents != 0) Accept();
}

void VsockRelay::Accept() {
  UniqueFd socket(
      accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket || callers_.size() >= kMaxCallers) return;
  callers_.push_back({std::move(socket), ""});
}

void VsockRelay::Introduce(std::list<Caller>::iterator caller) {
  // What follows the line is for the guest: no byte more may be read.
  char c;
  ssize_t n;
  std::string& line = caller->line;
  while (!line.ends_with('\n') && line.size() < kLongestLine &&
         (n = recv(caller->socket.get(), &c, 1, 0)) == 1) {
    line += c;
  }
  const bool complete = line.ends_with('\n') || line.size() >= kLongestLine;
  if (!complete && n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const std::optional<uint32_t> port = PortOf(line);
  if (port) Call(std::move(*caller), *port);
  callers_.erase(caller);
}

void VsockRelay::Call(Caller caller, uint32_t port) {
  if (streams_.size() >= kMaxStreams) return;
  const StreamAddress address = {guest_cid_, port, next_host_port_++};
  streams_.try_emplace(Key(port, address.host_port), std::move(caller.socket),
                       address, VsockStream::Origin::kHost);
}

absl::StatusOr<bool> VsockRelay::Exchange(Virtqueue& to_guest,
                                          Virtqueue& from_guest) {
  for (int round = 0; round < kRounds; ++round) {
    absl::StatusOr<bool> took = TakePackets(from_guest);
    if (!took.ok()) return took;
    absl::StatusOr<bool> gave = GivePackets(to_guest);
    if (!gave.ok()) return gave;
    if (!*took && !*gave) return false;
  }
  return true;
}

absl::StatusOr<bool> VsockRelay::TakePackets(Virtqueue& queue) {
  bool took_any = false;
  for (int i = 0; i < kPacketsTaken && resets_.size() < kMaxResets; ++i) {
    absl::StatusOr<bool> took = TakePacket(queue);
    if (!took.ok()) return took;
    if (!*took) break;
    took_any = true;
  }
  return took_any;
}

absl::StatusOr<bool> VsockRelay::TakePacket(Virtqueue& queue) {
  Chain chain;
  absl::StatusOr<bool> peeked = queue.Peek(chain);
  if (!peeked.ok() || !*peeked) return peeked;
  const std::string bytes =
      Gather(chain.readable, kHeaderBytes + Credit::kBufferBytes);
  if (bytes.size() < kHeaderBytes) {
    return absl::InvalidArgumentError("vsock: a packet without a header");
  }
  PacketHeader packet;
  std::memcpy(static_cast<void*>(&packet), bytes.data(), kHeaderBytes);
  const std::string_view payload = std::string_view(bytes).substr(kHeaderBytes);
  if (packet.length_bytes > payload.size()) {
    return absl::InvalidArgumentError("vsock: a packet longer than its buffer");
  }
  queue.Complete(chain, 0);
  Dispatch(packet, payload.substr(0, packet.length_bytes));
  return true;
}

void VsockRelay::Dispatch(const PacketHeader& packet,
                          std::string_view payload) {
  if (packet.src_cid != guest_cid_) return;
  if (packet.dst_cid != kHostCid || packet.type != kStream) {
    return Refuse(packet);
  }
  const auto found = streams_.find({packet.src_port, packet.dst_port});
  if (found == streams_.end()) {
    return packet.op == kRequest ? Begin(packet) : Refuse(packet);
  }
  PacketHeader heard = packet;
  // Its ports are in use; and no stream begins twice.
  if (packet.op == kRequest) heard.op = 0;
  found->second.Receive(heard, payload);
  if (found->second.finished()) streams_.erase(found);
}

void VsockRelay::Begin(const PacketHeader& packet) {
  const std::string path = base_ + "_" + std::to_string(packet.dst_port);
  auto socket = rpc::ConnectSocket(UnixEndpoint(path), absl::Seconds(1));
  if (streams_.size() >= kMaxStreams || !socket.ok() ||
      !SetNonBlocking(*socket)) {
    return Refuse(packet);
  }
  const StreamAddress address = {guest_cid_, packet.src_port, packet.dst_port};
  const auto [entry, inserted] = streams_.try_emplace(
      Key(packet.src_port, packet.dst_port), *std::move(socket), address,
      VsockStream::Origin::kGuest);
  entry->second.Receive(packet, {});
}

void VsockRelay::Refuse(const PacketHeader& packet) {
  if (packet.op == kReset) return;
  PacketHeader reset;
  reset.src_cid = packet.dst_cid;
  reset.src_port = packet.dst_port;
  reset.dst_cid = guest_cid_;
  reset.dst_port = packet.src_port;
  reset.type = packet.type;
  reset.op = kReset;
  resets_.push_back(reset);
}

absl::StatusOr<bool> VsockRelay::GivePackets(Virtqueue& queue) {
  bool gave_any = false;
  while (!resets_.empty()) {
    absl::StatusOr<bool> gave = Give(queue, nullptr);
    if (!gave.ok() || !*gave) return gave;
    gave_any = true;
  }
  // One packet of each in turn, so that none waits for all of another's.
  for (auto next = streams_.begin(); next != streams_.end();) {
    const auto stream = next++;
    absl::StatusOr<bool> gave = Give(queue, &stream->second);
    if (!gave.ok()) return gave;
    gave_any |= *gave;
    if (stream->second.finished()) streams_.erase(stream);
  }
  return gave_any;
}

absl::StatusOr<bool> VsockRelay::Give(Virtqueue& queue, VsockStream* stream) {
  Chain chain;
  absl::StatusOr<bool> peeked = queue.Peek(chain);
  if (!peeked.ok() || !*peeked) return peeked;
  if (SizeOf(chain.writable) < kHeaderBytes) {
    return absl::InvalidArgumentError("vsock: a buffer too small for a header");
  }
  std::optional<PacketHeader> packet;
  if (stream) {
    packet = stream->Next(Behind(chain.writable, kHeaderBytes));
  } else {
    packet = resets_.front();
    resets_.pop_front();
  }
  if (!packet) return false;
  Scatter({reinterpret_cast<const char*>(&*packet), kHeaderBytes},
          chain.writable);
  queue.Complete(chain, kHeaderBytes + packet->length_bytes);
  return true;
}

void VsockRelay::Reset() {
  streams_.clear();
  resets_.clear();
}

}  // namespace warmfs::vm
