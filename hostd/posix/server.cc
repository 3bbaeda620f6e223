#include "hostd/posix/server.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/time/clock.h"
#include "rpc/endpoint.h"
#include "rpc/socket.h"

namespace warmfs::hostd {
namespace {

constexpr int kSweepMillis = 5000;

// A Unix socket tells who the peer is: this user, or root, needs no token.
bool SameUser(int fd) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
}

}  // namespace

Server::Server(Service& service, UniqueFd stop_fd) : service_(service) {
  watched_.push_back({Source::kStop, std::move(stop_fd)});
}

Server::~Server() {
  // Connections that wait for events end at once, and not when there are some.
  for (const auto& exported : service_.exports) exported->StopWaiting();
  mux_.reset();
}

absl::Status Server::Listen(const std::string& text) {
  auto endpoint = rpc::Endpoint::Parse(text);
  if (!endpoint.ok()) return endpoint.status();
  const auto kind = endpoint->kind;
  const bool is_unix = kind == rpc::Endpoint::Kind::kUnix;
  if (!is_unix && kind != rpc::Endpoint::Kind::kVsock &&
      kind != rpc::Endpoint::Kind::kTcp) {
    return absl::InvalidArgumentError("'" + text +
                                      "' cannot be listened on; use unix:PATH, "
                                      "vsock:CID:PORT or tcp:HOST:PORT");
  }
  if (!is_unix && service_.token.empty()) {
    return absl::InvalidArgumentError(
        "'" + text + "' can be reached by other users: give --token-file FILE");
  }
  auto fd = rpc::ListenSocket(*endpoint);
  if (!fd.ok()) {
    return absl::Status(fd.status().code(),
                        text + ": " + std::string(fd.status().message()));
  }
  watched_.push_back(
      {is_unix ? Source::kTrustedListener : Source::kListener, *std::move(fd)});
  return absl::OkStatus();
}

void Server::ListenOnControl(UniqueFd control) {
  watched_.push_back({Source::kControl, std::move(control)});
}

void Server::ListenOnStreams(UniqueFd in, UniqueFd out) {
  UniqueFd ended(eventfd(0, EFD_CLOEXEC));
  const int ended_fd = ended.get();
  watched_.push_back({Source::kStreams, std::move(ended)});
  mux_ = std::make_unique<rpc::Mux>(
      std::move(in), std::move(out),
      [this](UniqueFd fd) { Start(std::move(fd), /*needs_token=*/false); },
      [ended_fd] {
        const uint64_t one = 1;
        [[maybe_unused]] ssize_t n = write(ended_fd, &one, sizeof(one));
      });
}

void Server::Run() {
  while (true) {
    std::vector<pollfd> polls;
    for (const Watched& w : watched_) polls.push_back({w.fd.get(), POLLIN, 0});
    poll(polls.data(), polls.size(), kSweepMillis);
    for (size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].revents != 0 && !Ready(watched_[i])) return;
    }
    connections_.Reap();
    service_.clients.Sweep(absl::Now());
    for (const auto& exported : service_.exports) exported->Sweep(absl::Now());
  }
}

bool Server::Ready(const Watched& watched) {
  switch (watched.source) {
    case Source::kStop:
    case Source::kStreams:
      return false;
    case Source::kListener:
    case Source::kTrustedListener:
      Accept(watched);
      return true;
    case Source::kControl:
      break;
  }
  auto fd = rpc::ReceiveFd(watched.fd.get());
  if (!fd.ok() || !*fd) return false;
  Start(*std::move(fd), /*needs_token=*/false);
  return true;
}

void Server::Accept(const Watched& watched) {
  UniqueFd fd(accept4(watched.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) {
    spdlog::warn("accept: {}", strerror(errno));
    return;
  }
  const bool trusted =
      watched.source == Source::kTrustedListener && SameUser(fd.get());
  if (!trusted && service_.token.empty()) {
    spdlog::warn("a connection of another user was refused: no --token-file");
    return;
  }
  Start(std::move(fd), /*needs_token=*/!trusted);
}

void Server::Start(UniqueFd fd, bool needs_token) {
  UniqueFd ours(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  connections_.Start(
      [this, needs_token, fd = std::move(fd)]() mutable {
        ServeConnection(std::move(fd), service_, needs_token);
      },
      [ours = std::move(ours)] { shutdown(ours.get(), SHUT_RDWR); });
}

}  // namespace warmfs::hostd
