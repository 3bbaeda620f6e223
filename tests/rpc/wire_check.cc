#include "tests/rpc/wire_check.h"

namespace warmfs::rpc {
namespace {

void CheckField(capnp::DynamicStruct::Reader in,
                capnp::StructSchema::Field field, const std::string& path,
                const std::set<std::string>& unset) {
  const std::string name = path + field.getProto().getName().cStr();
  if (unset.contains(name)) return;
  const capnp::DynamicValue::Reader value = in.get(field);
  if (value.getType() == capnp::DynamicValue::VOID) return;
  EXPECT_TRUE(in.has(field, capnp::HasMode::NON_DEFAULT))
      << name << " is not encoded";
  if (value.getType() == capnp::DynamicValue::STRUCT) {
    ExpectAllSet(value.as<capnp::DynamicStruct>(), name + ".", unset);
  }
  if (value.getType() != capnp::DynamicValue::LIST) return;
  for (const auto element : value.as<capnp::DynamicList>()) {
    if (element.getType() != capnp::DynamicValue::STRUCT) continue;
    ExpectAllSet(element.as<capnp::DynamicStruct>(), name + ".", unset);
  }
}

}  // namespace

void ExpectAllSet(capnp::DynamicStruct::Reader in, const std::string& path,
                  const std::set<std::string>& unset) {
  const capnp::StructSchema schema = in.getSchema();
  for (const auto field : schema.getNonUnionFields()) {
    CheckField(in, field, path, unset);
  }
  KJ_IF_MAYBE (field, in.which()) {
    CheckField(in, *field, path, unset);
  }
}

}  // namespace warmfs::rpc
