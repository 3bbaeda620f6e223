#include "tests/fakes/hybrid_peer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string_view>
#include <utility>

#include "rpc/socket.h"

namespace warmfs {
namespace {

rpc::Endpoint UnixEndpoint(const std::string& path) {
  rpc::Endpoint endpoint;
  endpoint.kind = rpc::Endpoint::Kind::kUnix;
  endpoint.path = path;
  return endpoint;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

std::string ReadLine(int fd) {
  std::string line;
  char c;
  while (!line.ends_with('\n') && recv(fd, &c, 1, 0) == 1) line += c;
  return line;
}

// Until either end is gone; then both are.
void Relay(int from, int to) {
  char buffer[64 * 1024];
  ssize_t n;
  while ((n = recv(from, buffer, sizeof(buffer), 0)) > 0 &&
         SendAll(to, {buffer, static_cast<size_t>(n)})) {
  }
  shutdown(from, SHUT_RDWR);
  shutdown(to, SHUT_RDWR);
}

}  // namespace

HybridPeer::HybridPeer(HybridPeerOptions options)
    : options_(std::move(options)) {
  auto listener = rpc::ListenSocket(UnixEndpoint(options_.path));
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) return;
  listener_ = *std::move(listener);
  thread_ = std::thread([this] { Accept(); });
}

HybridPeer::~HybridPeer() {
  if (!thread_.joinable()) return;
  shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
  Cut();
  absl::MutexLock lock(&mu_);
  for (Connection& c : connections_) {
    c.to_guest.join();
    c.to_client.join();
  }
}

void HybridPeer::Cut() {
  absl::MutexLock lock(&mu_);
  for (Connection& c : connections_) shutdown(c.client.get(), SHUT_RDWR);
}

void HybridPeer::Accept() {
  while (true) {
    UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    Serve(std::move(client));
  }
}

void HybridPeer::Serve(UniqueFd client) {
  const std::string wanted = "CONNECT " + std::to_string(options_.port) + "\n";
  if (ReadLine(client.get()) != wanted) return;
  if (!options_.answer.empty()) {
    SendAll(client.get(), options_.answer);
    return;
  }
  auto guest =
      rpc::ConnectSocket(UnixEndpoint(options_.guest), absl::Seconds(5));
  if (!guest.ok() || !SendAll(client.get(), "OK 1073741824\n")) return;
  absl::MutexLock lock(&mu_);
  Connection& c = connections_.emplace_back();
  c.client = std::move(client);
  c.guest = *std::move(guest);
  c.to_guest = std::thread(Relay, c.client.get(), c.guest.get());
  c.to_client = std::thread(Relay, c.guest.get(), c.client.get());
}

}  // namespace warmfs
