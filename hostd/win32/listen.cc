#include "hostd/win32/listen.h"

#include <ws2tcpip.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "hostd/hvsock.h"
#include "rpc/endpoint.h"
// After winsock2.h.
#include <windows.h>

namespace warmfs::hostd {
namespace {

// mingw-w64 has no hvsocket.h.
constexpr int kAfHyperv = 34;
constexpr int kHvProtocolRaw = 1;
struct SockaddrHv {
  ADDRESS_FAMILY family;
  USHORT reserved;
  GUID vm;
  GUID service;
};
static_assert(sizeof(SockaddrHv) == 36);

absl::Status SocketError(const std::string& endpoint, const char* what) {
  const int error = WSAGetLastError();
  if (error == WSAEADDRINUSE) {
    return absl::AlreadyExistsError(endpoint +
                                    ": another program listens on this port");
  }
  return absl::UnknownError(absl::StrCat(
      endpoint, ": ", what, " failed (Windows error ", error, ")"));
}

absl::StatusOr<rpc::WinSocket> ListenTcp(const std::string& text,
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
  rpc::WinSocket s(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
  if (!s) return SocketError(text, "socket");
  // No other user's program may take the port over.
  const BOOL on = TRUE;
  setsockopt(s.get(), SOL_SOCKET, SO_EXCLUSIVEADDRUSE,
             reinterpret_cast<const char*>(&on), sizeof(on));
  const auto* const address = six ? reinterpret_cast<const sockaddr*>(&v6)
                                  : reinterpret_cast<const sockaddr*>(&v4);
  if (bind(s.get(), address, six ? sizeof(v6) : sizeof(v4)) != 0) {
    return SocketError(text, "bind");
  }
  if (listen(s.get(), SOMAXCONN) != 0) return SocketError(text, "listen");
  return s;
}

GUID ToWindows(const Guid& g) {
  GUID out{g.a, g.b, g.c, {}};
  std::memcpy(out.Data4, g.d.data(), sizeof(out.Data4));
  return out;
}

absl::Status HvsockError(const std::string& text, const HvsockName& name) {
  const int error = WSAGetLastError();
  return absl::UnavailableError(text + ": " + HvsockAdvice(name, error));
}

}  // namespace

absl::StatusOr<rpc::WinSocket> ListenHvsock(const std::string& text) {
  const auto name = ParseHvsock(text);
  if (!name.ok()) return name.status();
  rpc::WinSocket s(socket(kAfHyperv, SOCK_STREAM, kHvProtocolRaw));
  if (!s) return HvsockError(text, *name);
  SockaddrHv address{kAfHyperv, 0, ToWindows(name->vm),
                     ToWindows(name->service)};
  if (bind(s.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) != 0 ||
      listen(s.get(), SOMAXCONN) != 0) {
    return HvsockError(text, *name);
  }
  return s;
}

absl::StatusOr<rpc::WinSocket> ListenSocket(const std::string& text,
                                            bool has_token) {
  const bool hvsock = text.starts_with(kHvsockPrefix);
  const auto endpoint = hvsock ? rpc::Endpoint() : rpc::Endpoint::Parse(text);
  if (!endpoint.ok()) return endpoint.status();
  if (!hvsock && endpoint->kind != rpc::Endpoint::Kind::kTcp) {
    return absl::InvalidArgumentError(
        "'" + text +
        "' cannot be listened on; use hvsock:PORT or tcp:127.0.0.1:PORT");
  }
  if (!has_token) {
    return absl::InvalidArgumentError(
        "'" + text + "' can be reached by other users: give --token-file FILE");
  }
  return hvsock ? ListenHvsock(text) : ListenTcp(text, *endpoint);
}

}  // namespace warmfs::hostd
