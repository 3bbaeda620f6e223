#include "hostd/notify_record.h"

#include <cstring>

namespace warmfs::hostd {
namespace {

// Offsets in a record.
constexpr size_t kNextAt = 0;
constexpr size_t kActionAt = 4;
constexpr size_t kNameBytesAt = 8, kNameAt = 12;
constexpr size_t kAttributesAt = 56, kIdAt = 64;
constexpr size_t kExtendedNameBytesAt = 80, kExtendedNameAt = 84;
constexpr uint32_t kDirectory = 0x10, kReparsePoint = 0x400;
constexpr uint64_t kNoId = UINT64_MAX;

template <typename T>
T At(std::string_view record, size_t offset) {
  T value{};
  std::memcpy(&value, record.data() + offset, sizeof(value));
  return value;
}

}  // namespace

bool TakeNotifyRecord(bool extended, std::string_view* buffer,
                      NotifyRecord* out) {
  const std::string_view record = *buffer;
  *buffer = {};
  const size_t name_at = extended ? kExtendedNameAt : kNameAt;
  if (record.size() < name_at) return false;
  const auto next = At<uint32_t>(record, kNextAt);
  const auto name_bytes =
      At<uint32_t>(record, extended ? kExtendedNameBytesAt : kNameBytesAt);
  const size_t end = next == 0 ? record.size() : next;
  if (end > record.size() || end < name_at) return false;
  if (name_bytes > end - name_at || name_bytes % sizeof(char16_t) != 0) {
    return false;
  }
  *out = {.action = At<uint32_t>(record, kActionAt)};
  out->path.resize(name_bytes / sizeof(char16_t));
  std::memcpy(out->path.data(), record.data() + name_at, name_bytes);
  if (extended) {
    const auto attributes = At<uint32_t>(record, kAttributesAt);
    const auto id = At<uint64_t>(record, kIdAt);
    if (id != 0 && id != kNoId) out->id = id;
    // A link to a directory is none itself.
    if (attributes != 0 && (attributes & kReparsePoint) == 0) {
      out->directory = (attributes & kDirectory) != 0;
    }
  }
  if (next != 0) *buffer = record.substr(next);
  return true;
}

}  // namespace warmfs::hostd
