#include "rpc/mux.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace warmfs::rpc {
namespace {

struct Frame {
  uint32_t id;
  uint32_t length;
};
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "frames are little-endian");

}  // namespace

Mux::Mux(UniqueFd in, UniqueFd out, std::function<void(UniqueFd)> on_open,
         std::function<void()> on_end)
    : in_(std::move(in)),
      out_(std::move(out)),
      on_open_(std::move(on_open)),
      on_end_(std::move(on_end)) {
  auto wake = MuxSocket::Pair();
  if (!wake.ok()) {  // there would be no connections either
    Stop();
    return;
  }
  wake_ = std::make_unique<std::pair<MuxSocket, MuxSocket>>(*std::move(wake));
  reader_ = std::thread([this] { ReadLoop(); });
  writer_ = std::thread([this] { WriteLoop(); });
}

Mux::~Mux() {
  Stop();
  EndStream(in_);
  EndStream(out_);
  if (reader_.joinable()) reader_.join();
  if (writer_.joinable()) writer_.join();
}

void Mux::Wake() {
  if (std::exchange(woken_, true) || wake_ == nullptr) return;
  wake_->first.Send("", 1);
}

void Mux::Stop() {
  {
    absl::MutexLock lock(&mu_);
    if (!alive_.exchange(false)) return;
    for (auto& [id, socket] : sockets_) socket->ShutDown();
    sockets_.clear();
    Wake();
  }
  if (on_end_) on_end_();
}

absl::StatusOr<UniqueFd> Mux::Open() {
  auto pair = MuxSocket::Pair();
  if (!pair.ok()) return pair.status();
  absl::MutexLock lock(&mu_);
  if (!alive_) return absl::UnavailableError("the command has ended");
  sockets_[next_id_++] = std::make_shared<MuxSocket>(std::move(pair->second));
  Wake();
  return std::move(pair->first).Release();
}

std::shared_ptr<MuxSocket> Mux::FindOrAccept(uint32_t id, bool& alive) {
  UniqueFd user_end;
  std::shared_ptr<MuxSocket> ours;
  {
    absl::MutexLock lock(&mu_);
    auto it = sockets_.find(id);
    if (it != sockets_.end()) return it->second;
    // A frame that crossed our close, or a number that the peer may not use.
    if (!alive_ || !on_open_ || id <= last_accepted_) return nullptr;
    if (sockets_.size() >= kMaxConnections) {
      alive = false;
      return nullptr;
    }
    auto pair = MuxSocket::Pair();
    if (!pair.ok()) return nullptr;
    last_accepted_ = id;
    user_end = std::move(pair->first).Release();
    ours = std::make_shared<MuxSocket>(std::move(pair->second));
    sockets_[id] = ours;
    Wake();
  }
  on_open_(std::move(user_end));
  return ours;
}

bool Mux::Deliver(uint32_t id, uint32_t length, char* buffer) {
  if (length > kMaxFrame) return false;
  if (!ReadStream(in_, buffer, length)) return false;
  if (length == 0) {
    absl::MutexLock lock(&mu_);
    auto it = sockets_.find(id);
    if (it == sockets_.end()) return true;
    it->second->ShutDown();
    sockets_.erase(it);
    Wake();
    return true;
  }
  bool alive = true;
  // A user that closed its end is told to the peer by the write loop.
  if (auto socket = FindOrAccept(id, alive)) {
    socket->Send(buffer, length);
  }
  return alive;
}

void Mux::ReadLoop() {
  std::vector<char> buffer(kMaxFrame);
  Frame frame;
  while (alive_ &&
         ReadStream(in_, reinterpret_cast<char*>(&frame), sizeof(frame)) &&
         Deliver(frame.id, frame.length, buffer.data())) {
  }
  Stop();
}

bool Mux::Forward(uint32_t id, const MuxSocket& socket, char* buffer) {
  const int n = socket.Receive(buffer + sizeof(Frame), kMaxFrame);
  if (n < 0) return true;
  const Frame frame = {id, static_cast<uint32_t>(n)};
  std::memcpy(buffer, &frame, sizeof(frame));
  if (!WriteStream(out_, buffer, sizeof(frame) + static_cast<size_t>(n))) {
    return false;
  }
  if (n == 0) {
    absl::MutexLock lock(&mu_);
    sockets_.erase(id);
  }
  return true;
}

void Mux::WriteLoop() {
  std::vector<char> buffer(sizeof(Frame) + kMaxFrame);
  while (true) {
    std::vector<const MuxSocket*> sockets = {&wake_->second};
    std::vector<std::pair<uint32_t, std::shared_ptr<MuxSocket>>> held;
    {
      absl::MutexLock lock(&mu_);
      // Stop wakes once, and that may be what is taken here.
      if (!alive_) return;
      char byte;
      if (std::exchange(woken_, false)) wake_->second.Receive(&byte, 1);
      for (auto& [id, socket] : sockets_) {
        sockets.push_back(socket.get());
        held.emplace_back(id, socket);
      }
    }
    const std::vector<bool> ready = MuxSocket::Await(sockets);
    for (size_t i = 0; i < held.size(); ++i) {
      if (!ready[i + 1]) continue;
      if (!Forward(held[i].first, *held[i].second, buffer.data())) {
        Stop();
        return;
      }
    }
  }
}

}  // namespace warmfs::rpc
