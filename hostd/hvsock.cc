#include "hostd/hvsock.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "absl/status/status.h"

namespace warmfs::hostd {
namespace {

constexpr Guid kVsockTemplate = {
    0, 0xfacb, 0x11e6, {0xbd, 0x58, 0x64, 0x00, 0x6a, 0x79, 0x86, 0xd3}};
constexpr Guid kChildren = {0x90db8b89,
                            0x0d35,
                            0x4f79,
                            {0x8c, 0xe9, 0x49, 0xea, 0x0a, 0xc8, 0xb7, 0xcd}};

// Winsock's numbers.
constexpr int kAccess = 10013;
constexpr int kInUse = 10048;
constexpr int kNoFamily = 10047;
constexpr int kNoProtocol = 10043;
constexpr int kNoSocketType = 10044;

template <typename Number>
bool Parse(std::string_view text, int base, Number* out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out, base);
  return !text.empty() && error == std::errc() && stop == end;
}

// A port, or a GUID.
std::optional<Guid> ParseService(std::string_view text) {
  uint32_t port = 0;
  if (Parse(text, 10, &port)) return VsockService(port);
  return ParseGuid(text);
}

}  // namespace

std::optional<Guid> ParseGuid(std::string_view text) {
  if (text.size() == 38 && text.front() == '{' && text.back() == '}') {
    text = text.substr(1, 36);
  }
  if (text.size() != 36) return std::nullopt;
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return std::nullopt;
    if (!dash) digits += text[i];
  }
  const std::string_view hex = digits;
  Guid out;
  bool good = Parse(hex.substr(0, 8), 16, &out.a) &&
              Parse(hex.substr(8, 4), 16, &out.b) &&
              Parse(hex.substr(12, 4), 16, &out.c);
  for (size_t i = 0; i < out.d.size(); ++i) {
    good = good && Parse(hex.substr(16 + 2 * i, 2), 16, &out.d[i]);
  }
  if (!good) return std::nullopt;
  return out;
}

std::string FormatGuid(const Guid& g) {
  return fmt::format(
      "{:08x}-{:04x}-{:04x}-{:02x}{:02x}-{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}",
      g.a, g.b, g.c, g.d[0], g.d[1], g.d[2], g.d[3], g.d[4], g.d[5], g.d[6],
      g.d[7]);
}

Guid VsockService(uint32_t port) {
  Guid service = kVsockTemplate;
  service.a = port;
  return service;
}

std::optional<uint32_t> VsockPort(const Guid& service) {
  if (VsockService(service.a) != service) return std::nullopt;
  return service.a;
}

absl::StatusOr<HvsockName> ParseHvsock(std::string_view endpoint) {
  std::string_view rest = endpoint.substr(kHvsockPrefix.size());
  std::optional<Guid> vm = kChildren;
  if (const size_t colon = rest.find(':'); colon != rest.npos) {
    vm = ParseGuid(rest.substr(0, colon));
    rest.remove_prefix(colon + 1);
  }
  const std::optional<Guid> service = ParseService(rest);
  if (!vm || !service) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not an endpoint; write hvsock:PORT, or hvsock:VM-GUID:PORT "
        "for one virtual machine (a service's GUID may stand for PORT)",
        endpoint));
  }
  return HvsockName{.vm = *vm, .service = *service};
}

std::string HvsockAdvice(const HvsockName& name, int error) {
  switch (error) {
    case kNoFamily:
    case kNoProtocol:
    case kNoSocketType:
      return "this Windows has no Hyper-V sockets; turn on the feature "
             "'Virtual Machine Platform' or 'Hyper-V', or use "
             "tcp:127.0.0.1:PORT";
    case kAccess:
      return fmt::format(
          "Windows does not let this user listen there; have an administrator "
          "register the service once (reg add \"HKLM\\SOFTWARE\\Microsoft\\"
          "Windows NT\\CurrentVersion\\Virtualization\\"
          "GuestCommunicationServices\\{}\" /v ElementName /d warmfs), be a "
          "member of 'Hyper-V Administrators', or name a virtual machine of "
          "your own: hvsock:VM-GUID:PORT",
          FormatGuid(name.service));
    case kInUse:
      return "another program listens on this service";
    default:
      return fmt::format("Windows error {}", error);
  }
}

}  // namespace warmfs::hostd
