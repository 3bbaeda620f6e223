#include "rpc/mux.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "rpc/socket.h"

namespace warmfs::rpc {
namespace {

struct Frame {
  uint32_t id;
  uint32_t length;
};
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "frames are little-endian");

bool ReadFull(int fd, char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = read(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= n;
  }
  return true;
}

// To a socket without a SIGPIPE when the other end is gone; to a pipe, whose
// user has to ignore that signal, otherwise.
bool WriteFull(int fd, const char* data, size_t size) {
  while (size > 0) {
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK) n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= n;
  }
  return true;
}

}  // namespace

Mux::Mux(UniqueFd in, UniqueFd out, std::function<void(UniqueFd)> on_open,
         std::function<void()> on_end)
    : in_(std::move(in)),
      out_(std::move(out)),
      on_open_(std::move(on_open)),
      on_end_(std::move(on_end)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  reader_ = std::thread([this] { ReadLoop(); });
  writer_ = std::thread([this] { WriteLoop(); });
}

Mux::~Mux() {
  Stop();
  // Works on sockets, which is what both ends give us; a pipe's reader ends
  // when the peer's process does.
  shutdown(in_.get(), SHUT_RDWR);
  shutdown(out_.get(), SHUT_RDWR);
  reader_.join();
  writer_.join();
}

void Mux::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(wake_.get(), &one, sizeof(one));
}

void Mux::Stop() {
  {
    absl::MutexLock lock(&mu_);
    if (!alive_.exchange(false)) return;
    for (auto& [id, socket] : sockets_) shutdown(socket->get(), SHUT_RDWR);
    sockets_.clear();
    Wake();
  }
  if (on_end_) on_end_();
}

absl::StatusOr<UniqueFd> Mux::Open() {
  auto pair = SocketPair();
  if (!pair.ok()) return pair.status();
  absl::MutexLock lock(&mu_);
  if (!alive_) return absl::UnavailableError("the command has ended");
  sockets_[next_id_++] = std::make_shared<UniqueFd>(std::move(pair->second));
  Wake();
  return std::move(pair->first);
}

std::shared_ptr<UniqueFd> Mux::FindOrAccept(uint32_t id, bool& alive) {
  UniqueFd user_end;
  std::shared_ptr<UniqueFd> ours;
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
    auto pair = SocketPair();
    if (!pair.ok()) return nullptr;
    last_accepted_ = id;
    user_end = std::move(pair->first);
    ours = std::make_shared<UniqueFd>(std::move(pair->second));
    sockets_[id] = ours;
    Wake();
  }
  on_open_(std::move(user_end));
  return ours;
}

bool Mux::Deliver(uint32_t id, uint32_t length, char* buffer) {
  if (length > kMaxFrame) return false;
  if (!ReadFull(in_.get(), buffer, length)) return false;
  if (length == 0) {
    absl::MutexLock lock(&mu_);
    auto it = sockets_.find(id);
    if (it == sockets_.end()) return true;
    shutdown(it->second->get(), SHUT_RDWR);
    sockets_.erase(it);
    Wake();
    return true;
  }
  bool alive = true;
  // A user that closed its end is told to the peer by the write loop.
  if (auto socket = FindOrAccept(id, alive)) {
    WriteFull(socket->get(), buffer, length);
  }
  return alive;
}

void Mux::ReadLoop() {
  std::vector<char> buffer(kMaxFrame);
  Frame frame;
  while (alive_ &&
         ReadFull(in_.get(), reinterpret_cast<char*>(&frame), sizeof(frame)) &&
         Deliver(frame.id, frame.length, buffer.data())) {
  }
  Stop();
}

bool Mux::Forward(uint32_t id, int socket, char* buffer) {
  ssize_t n = recv(socket, buffer + sizeof(Frame), kMaxFrame, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n < 0) n = 0;
  const Frame frame = {id, static_cast<uint32_t>(n)};
  std::memcpy(buffer, &frame, sizeof(frame));
  if (!WriteFull(out_.get(), buffer, sizeof(frame) + n)) return false;
  if (n == 0) {
    absl::MutexLock lock(&mu_);
    sockets_.erase(id);
  }
  return true;
}

void Mux::WriteLoop() {
  std::vector<char> buffer(sizeof(Frame) + kMaxFrame);
  while (alive_) {
    std::vector<pollfd> polls = {{wake_.get(), POLLIN, 0}};
    std::vector<std::pair<uint32_t, std::shared_ptr<UniqueFd>>> held;
    {
      absl::MutexLock lock(&mu_);
      for (auto& [id, socket] : sockets_) {
        polls.push_back({socket->get(), POLLIN, 0});
        held.emplace_back(id, socket);
      }
    }
    if (poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) break;
    if (polls[0].revents != 0) {
      uint64_t count;
      [[maybe_unused]] ssize_t n = read(wake_.get(), &count, sizeof(count));
    }
    for (size_t i = 0; i < held.size(); ++i) {
      if (polls[i + 1].revents == 0) continue;
      if (!Forward(held[i].first, held[i].second->get(), buffer.data())) {
        Stop();
        return;
      }
    }
  }
}

}  // namespace warmfs::rpc
