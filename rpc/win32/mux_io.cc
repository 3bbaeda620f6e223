// The stream is a pair of handles of whatever kind (pipes, mostly). The
// sockets are TCP's over loopback, since Windows has no socketpair.

#include "rpc/mux_io.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rpc/win32/socket.h"
// After winsock2.h.
#include <windows.h>

namespace warmfs::rpc {
namespace {

HANDLE Handle(const UniqueFd& fd) {
  return reinterpret_cast<HANDLE>(static_cast<intptr_t>(fd.get()));
}

absl::Status Failed(const char* what) {
  return absl::UnavailableError(
      absl::StrCat(what, " failed (Windows error ", WSAGetLastError(), ")"));
}

int NameOf(SOCKET s, int(WSAAPI* ask)(SOCKET, sockaddr*, int*),
           sockaddr_in* out) {
  int size = sizeof(*out);
  return ask(s, reinterpret_cast<sockaddr*>(out), &size);
}

// The connection that `ours` has made, and no other: any program of this
// machine may connect to the port.
SOCKET AcceptFrom(SOCKET listener, SOCKET ours) {
  sockaddr_in name{};
  if (NameOf(ours, getsockname, &name) != 0) return INVALID_SOCKET;
  while (true) {
    sockaddr_in peer{};
    int size = sizeof(peer);
    WinSocket s(accept(listener, reinterpret_cast<sockaddr*>(&peer), &size));
    if (!s) return INVALID_SOCKET;
    if (peer.sin_port == name.sin_port &&
        peer.sin_addr.s_addr == name.sin_addr.s_addr) {
      return s.Release();
    }
  }
}

void SendAtOnce(SOCKET s) {
  const BOOL on = TRUE;
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char*>(&on),
             sizeof(on));
}

}  // namespace

bool ReadStream(const UniqueFd& in, char* data, size_t size) {
  while (size > 0) {
    DWORD n = 0;
    if (!ReadFile(Handle(in), data, static_cast<DWORD>(size), &n, nullptr) ||
        n == 0) {
      return false;
    }
    data += n;
    size -= n;
  }
  return true;
}

bool WriteStream(const UniqueFd& out, const char* data, size_t size) {
  while (size > 0) {
    DWORD n = 0;
    if (!WriteFile(Handle(out), data, static_cast<DWORD>(size), &n, nullptr) ||
        n == 0) {
      return false;
    }
    data += n;
    size -= n;
  }
  return true;
}

void EndStream(const UniqueFd& stream) { CancelIoEx(Handle(stream), nullptr); }

absl::StatusOr<std::pair<MuxSocket, MuxSocket>> MuxSocket::Pair() {
  WinSocket listener(socket(AF_INET, SOCK_STREAM, 0));
  WinSocket ours(socket(AF_INET, SOCK_STREAM, 0));
  if (!listener || !ours) {
    return Failed("socket");
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* const any = reinterpret_cast<const sockaddr*>(&address);
  if (bind(listener.get(), any, sizeof(address)) != 0 ||
      listen(listener.get(), 1) != 0 ||
      NameOf(listener.get(), getsockname, &address) != 0 ||
      connect(ours.get(), any, sizeof(address)) != 0) {
    return Failed("a connection to itself");
  }
  WinSocket theirs(AcceptFrom(listener.get(), ours.get()));
  if (!theirs) return Failed("accept");
  SendAtOnce(ours.get());
  SendAtOnce(theirs.get());
  return std::make_pair(MuxSocket(ours.Release()), MuxSocket(theirs.Release()));
}

// A SOCKET is a handle, of which 32 bits are significant.
UniqueFd MuxSocket::Release() && {
  return UniqueFd(static_cast<int>(std::exchange(socket_, kNone)));
}

MuxSocket::~MuxSocket() {
  if (socket_ != kNone) closesocket(socket_);
}

bool MuxSocket::Send(const char* data, size_t size) const {
  while (size > 0) {
    const int n = send(socket_, data, static_cast<int>(size), 0);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// Called when Await has said that something is there, so it does not wait.
int MuxSocket::Receive(char* data, size_t size) const {
  const int n = recv(socket_, data, static_cast<int>(size), 0);
  return n < 0 ? 0 : n;
}

void MuxSocket::ShutDown() const { shutdown(socket_, SD_BOTH); }

std::vector<bool> MuxSocket::Await(
    const std::vector<const MuxSocket*>& sockets) {
  std::vector<WSAPOLLFD> polls;
  for (const MuxSocket* s : sockets) {
    polls.push_back({s->socket_, POLLRDNORM, 0});
  }
  WSAPoll(polls.data(), static_cast<ULONG>(polls.size()), -1);
  std::vector<bool> ready;
  for (const WSAPOLLFD& p : polls) ready.push_back(p.revents != 0);
  return ready;
}

}  // namespace warmfs::rpc
