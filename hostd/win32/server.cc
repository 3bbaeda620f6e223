#include "hostd/win32/server.h"

#include <spdlog/spdlog.h>
#include <ws2tcpip.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rpc/endpoint.h"
// After windows.h.
#include "hostd/win32/handle.h"

namespace warmfs::hostd {
namespace {

constexpr DWORD kSweepMillis = 5000;
constexpr size_t kMostListeners = WSA_MAXIMUM_WAIT_EVENTS - 1;

class Socket {
 public:
  explicit Socket(SOCKET s) : s_(s) {}
  Socket(Socket&& other) noexcept
      : s_(std::exchange(other.s_, INVALID_SOCKET)) {}
  ~Socket() {
    if (s_ != INVALID_SOCKET) closesocket(s_);
  }
  SOCKET get() const { return s_; }

 private:
  SOCKET s_;
};

absl::Status SocketError(const std::string& endpoint, const char* what) {
  const int error = WSAGetLastError();
  if (error == WSAEADDRINUSE) {
    return absl::AlreadyExistsError(endpoint +
                                    ": another program listens on this port");
  }
  return absl::UnknownError(absl::StrCat(
      endpoint, ": ", what, " failed (Windows error ", error, ")"));
}

absl::StatusOr<SOCKET> ListenTcp(const std::string& text,
                                 const rpc::Endpoint& e) {
  const std::string host = e.host == "localhost" ? "127.0.0.1" : e.host;
  const bool six = host.find(':') != host.npos;
  sockaddr_in6 v6{};
  sockaddr_in v4{};
  v6.sin6_family = AF_INET6;
  v4.sin_family = AF_INET;
  v6.sin6_port = v4.sin_port = htons(static_cast<u_short>(e.port));
  const int parsed = six ? inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr)
                         : inet_pton(AF_INET, host.c_str(), &v4.sin_addr);
  if (parsed != 1) {
    return absl::InvalidArgumentError("'" + text +
                                      "': write tcp:127.0.0.1:PORT");
  }
  const SOCKET s = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  if (s == INVALID_SOCKET) return SocketError(text, "socket");
  // No other user's program may take the port over.
  const BOOL on = TRUE;
  setsockopt(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE,
             reinterpret_cast<const char*>(&on), sizeof(on));
  const auto* const address = six ? reinterpret_cast<const sockaddr*>(&v6)
                                  : reinterpret_cast<const sockaddr*>(&v4);
  absl::Status failed;
  if (bind(s, address, six ? sizeof(v6) : sizeof(v4)) != 0) {
    failed = SocketError(text, "bind");
  } else if (listen(s, SOMAXCONN) != 0) {
    failed = SocketError(text, "listen");
  }
  if (failed.ok()) return s;
  closesocket(s);
  return failed;
}

}  // namespace

Server::Server(Service& service)
    : service_(service), stop_(WSACreateEvent()), events_{stop_} {
  WSADATA data;
  if (const int error = WSAStartup(MAKEWORD(2, 2), &data)) {
    spdlog::error("no sockets: Windows error {}", error);
  }
}

Server::~Server() {
  for (const auto& exported : service_.exports) exported->StopWaiting();
  for (const SOCKET s : listeners_) closesocket(s);
  for (const WSAEVENT event : events_) WSACloseEvent(event);
}

absl::Status Server::Listen(const std::string& text) {
  auto endpoint = rpc::Endpoint::Parse(text);
  if (!endpoint.ok()) return endpoint.status();
  if (endpoint->kind != rpc::Endpoint::Kind::kTcp ||
      listeners_.size() >= kMostListeners) {
    return absl::InvalidArgumentError(
        "'" + text + "' cannot be listened on; use tcp:127.0.0.1:PORT");
  }
  if (service_.token.empty()) {
    return absl::InvalidArgumentError(
        "'" + text + "' can be reached by other users: give --token-file FILE");
  }
  auto listener = ListenTcp(text, *endpoint);
  if (!listener.ok()) return listener.status();
  const WSAEVENT event = WSACreateEvent();
  WSAEventSelect(*listener, event, FD_ACCEPT);
  listeners_.push_back(*listener);
  events_.push_back(event);
  return absl::OkStatus();
}

void Server::Stop() { WSASetEvent(stop_); }

void Server::Run() {
  while (true) {
    const DWORD ready =
        WSAWaitForMultipleEvents(static_cast<DWORD>(events_.size()),
                                 events_.data(), FALSE, kSweepMillis, FALSE);
    if (ready == WSA_WAIT_EVENT_0 || ready == WSA_WAIT_FAILED) return;
    if (ready != WSA_WAIT_TIMEOUT) {
      const size_t i = ready - WSA_WAIT_EVENT_0;
      WSAResetEvent(events_[i]);
      Accept(listeners_[i - 1]);
    }
    connections_.Reap();
    service_.clients.Sweep(absl::Now());
    for (const auto& exported : service_.exports) exported->Sweep(absl::Now());
  }
}

// All that wait: the event comes once for several.
void Server::Accept(SOCKET listener) {
  while (true) {
    const SOCKET s = accept(listener, nullptr, nullptr);
    if (s == INVALID_SOCKET) return;
    // What a listener with an event has, its connections inherit.
    WSAEventSelect(s, nullptr, 0);
    u_long off = 0;
    ioctlsocket(s, FIONBIO, &off);
    const BOOL on = TRUE;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char*>(&on),
               sizeof(on));
    connections_.Start(
        [this, s] {
          // A duplicate, so that the number here never means another socket.
          WSAPROTOCOL_INFOW info;
          SOCKET served = INVALID_SOCKET;
          if (WSADuplicateSocketW(s, GetCurrentProcessId(), &info) == 0) {
            served = WSASocketW(info.iAddressFamily, info.iSocketType,
                                info.iProtocol, &info, 0, WSA_FLAG_OVERLAPPED);
          }
          if (served != INVALID_SOCKET) {
            ServeConnection(FromHandle(reinterpret_cast<HANDLE>(served)),
                            service_, /*needs_token=*/true);
          }
        },
        [socket = Socket(s)] { shutdown(socket.get(), SD_BOTH); });
  }
}

}  // namespace warmfs::hostd
