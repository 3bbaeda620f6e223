#include "rpc/endpoint.h"

#include <fmt/format.h>

#include <charconv>

#include "absl/status/status.h"

namespace warmfs::rpc {
namespace {

absl::Status Malformed(std::string_view text, std::string_view form) {
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not an endpoint; write {}", text, form));
}

bool ConsumePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool ParseNumber(std::string_view text, uint32_t& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

// The last colon splits what may hold colons itself from a number.
bool SplitPort(std::string_view rest, std::string& head, uint32_t& port) {
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  head = std::string(rest.substr(0, colon));
  return ParseNumber(rest.substr(colon + 1), port);
}

absl::StatusOr<Endpoint> ParseTcp(std::string_view text,
                                  std::string_view rest) {
  Endpoint e;
  e.kind = Endpoint::Kind::kTcp;
  if (!SplitPort(rest, e.host, e.port) || e.port == 0 || e.port > 65535) {
    return Malformed(text, "tcp:HOST:PORT");
  }
  if (e.host.size() > 2 && e.host.front() == '[' && e.host.back() == ']') {
    e.host = e.host.substr(1, e.host.size() - 2);
  }
  if (!IsLoopback(e.host)) {
    return absl::InvalidArgumentError(fmt::format(
        "tcp to '{}' is refused: tcp carries no encryption yet, so it goes to "
        "this machine's loopback only; use ssh:HOST:PATH, or forward a "
        "loopback port through ssh -L",
        e.host));
  }
  return e;
}

absl::StatusOr<Endpoint> ParseSsh(std::string_view text,
                                  std::string_view rest) {
  const size_t colon = rest.find(':');
  // A host that begins with a dash would be an option to ssh.
  if (colon == std::string_view::npos || colon == 0 ||
      colon + 1 == rest.size() || rest[0] == '-') {
    return Malformed(text, "ssh:[USER@]HOST:PATH");
  }
  // ssh hands its words to a shell there: quote the path for it.
  std::string quoted = "'";
  for (char c : rest.substr(colon + 1)) {
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  quoted += "'";
  Endpoint e;
  e.kind = Endpoint::Kind::kCommand;
  // A network that is gone is noticed after 3 intervals, within host_wait.
  e.command = {"ssh",
               "-o",
               "BatchMode=yes",
               "-o",
               "ServerAliveInterval=5",
               std::string(rest.substr(0, colon)),
               "exec warmfs-hostd --stdio --export default=" + quoted};
  return e;
}

absl::StatusOr<Endpoint> ParseSocket(std::string_view text) {
  std::string_view rest = text;
  Endpoint e;
  if (ConsumePrefix(rest, "unix:")) {
    e.kind = Endpoint::Kind::kUnix;
    e.path = std::string(rest);
    // sun_path holds 108 bytes with its NUL.
    if (rest.empty() || rest.size() > 107) {
      return Malformed(text, "unix:PATH with a path of at most 107 bytes");
    }
    return e;
  }
  if (ConsumePrefix(rest, "vsock:")) {
    e.kind = Endpoint::Kind::kVsock;
    std::string cid;
    if (!SplitPort(rest, cid, e.port) || !ParseNumber(cid, e.cid)) {
      return Malformed(text,
                       "vsock:CID:PORT, both numbers (the host is CID 2)");
    }
    return e;
  }
  ConsumePrefix(rest, "hybrid:");
  e.kind = Endpoint::Kind::kHybrid;
  if (!SplitPort(rest, e.path, e.port) || e.path.size() > 107) {
    return Malformed(text, "hybrid:PATH:PORT");
  }
  return e;
}

absl::StatusOr<Endpoint> ParseExec(std::string_view text,
                                   std::string_view rest) {
  if (rest.empty()) return Malformed(text, "exec:COMMAND");
  Endpoint e;
  e.kind = Endpoint::Kind::kCommand;
  e.command = {"/bin/sh", "-c", "exec " + std::string(rest)};
  return e;
}

}  // namespace

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") &&
          host.find_first_not_of("0123456789.") == std::string_view::npos);
}

absl::StatusOr<Endpoint> Endpoint::Parse(std::string_view text) {
  std::string_view rest = text;
  if (text.empty()) return Malformed(text, "a directory, or unix:PATH");
  if (ConsumePrefix(rest, "tcp:")) return ParseTcp(text, rest);
  if (ConsumePrefix(rest, "ssh:")) return ParseSsh(text, rest);
  if (ConsumePrefix(rest, "exec:")) return ParseExec(text, rest);
  for (std::string_view scheme : {"unix:", "vsock:", "hybrid:"}) {
    if (text.starts_with(scheme)) return ParseSocket(text);
  }
  if (text.starts_with("hvsock:")) {
    return Malformed(text,
                     "vsock:2:PORT; hvsock: is what warmfs-hostd listens on, "
                     "on Windows");
  }
  // A directory may hold a colon, but then not before its first slash: a
  // mistyped scheme must not be taken for a directory's name.
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon < text.find('/')) {
    return Malformed(text,
                     "a directory (./NAME if it has a colon), or one of "
                     "unix: vsock: hybrid: tcp: ssh: exec:");
  }
  Endpoint e;
  e.path = std::string(text);
  return e;
}

}  // namespace warmfs::rpc
