#include "hostd/win32/server.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/time/clock.h"
#include "hostd/win32/listen.h"
// After windows.h.
#include "hostd/win32/handle.h"

namespace warmfs::hostd {
namespace {

constexpr DWORD kSweepMillis = 5000;
// Besides stop_.
constexpr size_t kMostListeners = WSA_MAXIMUM_WAIT_EVENTS - 1;

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
  mux_.reset();
  for (const WSAEVENT event : events_) WSACloseEvent(event);
}

absl::Status Server::Listen(const std::string& text) {
  if (listeners_.size() >= kMostListeners) {
    return absl::InvalidArgumentError("'" + text + "' is an endpoint too many");
  }
  auto listener = ListenSocket(text, !service_.token.empty());
  if (!listener.ok()) return listener.status();
  const WSAEVENT event = WSACreateEvent();
  WSAEventSelect(listener->get(), event, FD_ACCEPT);
  listeners_.push_back(*std::move(listener));
  events_.push_back(event);
  return absl::OkStatus();
}

void Server::ServeStreams(UniqueFd in, UniqueFd out) {
  mux_ = std::make_unique<rpc::Mux>(
      std::move(in), std::move(out),
      [this](UniqueFd fd) {
        Start(rpc::WinSocket(reinterpret_cast<SOCKET>(ToHandle(fd.Release()))),
              /*needs_token=*/false);
      },
      [this] { Stop(); });
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
      Accept(listeners_[i - 1].get());
    }
    connections_.Reap();
    service_.clients.Sweep(absl::Now());
    for (const auto& exported : service_.exports) exported->Sweep(absl::Now());
  }
}

// All that wait: the event comes once for several.
void Server::Accept(SOCKET listener) {
  while (true) {
    rpc::WinSocket s(accept(listener, nullptr, nullptr));
    if (!s) return;
    // What a listener with an event has, its connections inherit.
    WSAEventSelect(s.get(), nullptr, 0);
    u_long off = 0;
    ioctlsocket(s.get(), FIONBIO, &off);
    // Of TCP; Hyper-V's sockets do not know it, and send at once.
    const BOOL on = TRUE;
    setsockopt(s.get(), IPPROTO_TCP, TCP_NODELAY,
               reinterpret_cast<const char*>(&on), sizeof(on));
    Start(std::move(s), /*needs_token=*/true);
  }
}

void Server::Start(rpc::WinSocket socket, bool needs_token) {
  const SOCKET s = socket.get();
  connections_.Start(
      [this, needs_token, s] {
        // A duplicate, so that the number here never means another socket.
        WSAPROTOCOL_INFOW info;
        SOCKET served = INVALID_SOCKET;
        if (WSADuplicateSocketW(s, GetCurrentProcessId(), &info) == 0) {
          served = WSASocketW(info.iAddressFamily, info.iSocketType,
                              info.iProtocol, &info, 0, WSA_FLAG_OVERLAPPED);
        }
        if (served == INVALID_SOCKET) {
          spdlog::warn("a connection was dropped (Windows error {})",
                       WSAGetLastError());
          return;
        }
        ServeConnection(FromHandle(reinterpret_cast<HANDLE>(served)), service_,
                        needs_token);
      },
      [socket = std::move(socket)] { shutdown(socket.get(), SD_BOTH); });
}

}  // namespace warmfs::hostd
