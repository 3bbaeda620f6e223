// Names of Hyper-V sockets: how Windows listens for the virtual machines that
// connect by vsock. A service is a GUID; that of a vsock port N is the template
// 00000000-facb-11e6-bd58-64006a7986d3 with N in its first field.
//
//   hvsock:PORT          all virtual machines of this host
//   hvsock:GUID          another service than a port's
//   hvsock:VM:PORT       one virtual machine, VM being its GUID; and VM:GUID
//
// Values; portable.

#ifndef WARMFS_HOSTD_HVSOCK_H_
#define WARMFS_HOSTD_HVSOCK_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace warmfs::hostd {

// Field by field what Windows' GUID is.
struct Guid {
  uint32_t a = 0;
  uint16_t b = 0;
  uint16_t c = 0;
  std::array<uint8_t, 8> d = {};

  bool operator==(const Guid&) const = default;
};

// 8-4-4-4-12 hexadecimal digits, in braces or not, of either case.
std::optional<Guid> ParseGuid(std::string_view text);
std::string FormatGuid(const Guid& guid);  // without braces, lower case

Guid VsockService(uint32_t port);
// None if it is not the service of a port.
std::optional<uint32_t> VsockPort(const Guid& service);

struct HvsockName {
  // HV_GUID_CHILDREN, unless a machine is named: no other partition than the
  // machines of this host, and not the host itself, comes in.
  Guid vm;
  Guid service;
};
inline constexpr std::string_view kHvsockPrefix = "hvsock:";
// InvalidArgument with the form that was expected.
absl::StatusOr<HvsockName> ParseHvsock(std::string_view endpoint);

// What to do where binding failed with this error of Windows.
std::string HvsockAdvice(const HvsockName& name, int error);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_HVSOCK_H_
