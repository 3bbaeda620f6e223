// What a round trip over the wire is checked by: every field of the wire's form
// is written, and every one of them is read again.

#ifndef WARMFS_TESTS_RPC_WIRE_CHECK_H_
#define WARMFS_TESTS_RPC_WIRE_CHECK_H_

#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "rpc/wire.h"

namespace warmfs::rpc {

// Fails for each field that has its default value, but for those named.
void ExpectAllSet(capnp::DynamicStruct::Reader in, const std::string& path,
                  const std::set<std::string>& unset);

inline std::string Bytes(capnp::MessageBuilder& message) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

// Encodes, decodes and encodes again: the two must be the same bytes, so what
// the decoder overlooks is found. `unset`: fields that the encoder leaves out
// on purpose.
template <typename Wire, typename T>
void ExpectRoundTrip(const T& value, const std::set<std::string>& unset = {}) {
  capnp::MallocMessageBuilder first, second;
  auto wire = first.initRoot<Wire>();
  Encode(value, wire);
  ExpectAllSet(capnp::DynamicStruct::Reader(wire.asReader()), "", unset);
  T decoded{};
  Decode(wire.asReader(), decoded);
  Encode(decoded, second.initRoot<Wire>());
  EXPECT_EQ(Bytes(first), Bytes(second));
}

}  // namespace warmfs::rpc

#endif  // WARMFS_TESTS_RPC_WIRE_CHECK_H_
