// Small helpers of the wire_*.cc files. Not for other files.

#ifndef WARMFS_RPC_WIRE_INTERNAL_H_
#define WARMFS_RPC_WIRE_INTERNAL_H_

#include <kj/debug.h>

#include <optional>
#include <string>
#include <string_view>

#include "rpc/wire.h"

namespace warmfs::rpc {

inline capnp::Data::Reader ToData(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

inline std::string_view View(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

inline std::string ToString(capnp::Data::Reader data) {
  return std::string(View(data));
}

inline std::string ToString(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

inline void EncodeOptional(const std::optional<uint32_t>& in,
                           wire::OptionalUInt32::Builder out) {
  if (in) {
    out.setValue(*in);
  } else {
    out.setNone();
  }
}

inline std::optional<uint32_t> DecodeOptional(wire::OptionalUInt32::Reader in) {
  if (in.isValue()) return in.getValue();
  KJ_REQUIRE(in.isNone(), "an unknown form of value");
  return std::nullopt;
}

template <typename Group>
void EncodeTime(const Timestamp& in, Group out) {
  out.setSec(in.sec);
  out.setNsec(in.nsec);
}

template <typename Group>
Timestamp DecodeTime(Group in) {
  KJ_REQUIRE(in.getNsec() < 1'000'000'000, "a time with over 10^9 ns");
  return {in.getSec(), in.getNsec()};
}

template <typename Group>
void EncodeId(const FileId& in, Group out) {
  out.setHi(in.hi);
  out.setLo(in.lo);
}

template <typename Group>
FileId DecodeId(Group in) {
  return {in.getHi(), in.getLo()};
}

// A host that sends a name with a slash or a NUL in it is broken or hostile.
inline std::string DecodeName(capnp::Data::Reader data) {
  const std::string_view name = View(data);
  KJ_REQUIRE(!name.empty() && name.size() <= kMaxNameBytes && name != "." &&
                 name != ".." &&
                 name.find_first_of(std::string_view("/\0", 2)) ==
                     std::string_view::npos,
             "the host sent an impossible file name");
  return std::string(name);
}

// Linux's errno values end at 4095; a negative or larger one would be taken for
// something else by the kernel.
inline int32_t DecodeErrno(int32_t error) {
  KJ_REQUIRE(error >= 0 && error < 4096, "not an errno", error);
  return error;
}

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_WIRE_INTERNAL_H_
