#include "hostd/usn_record.h"

#include <algorithm>
#include <cstring>

#include "hostd/usn_layout.h"

namespace warmfs::hostd {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "records are little-endian");

// Within the bytes, as the callers have checked.
template <typename T>
T Get(std::string_view bytes, size_t offset) {
  T out;
  std::memcpy(&out, bytes.data() + offset, sizeof(out));
  return out;
}

FileRef GetRef(std::string_view record, size_t offset, size_t size) {
  FileRef out = {};
  std::memcpy(out.data(), record.data() + offset, size);
  return out;
}

const UsnLayout* LayoutOf(uint16_t version) {
  if (version == 2) return &kUsnLayout2;
  return version == 3 ? &kUsnLayout3 : nullptr;
}

// Takes the first record off the bytes.
bool TakeRecord(std::string_view* bytes, UsnRecord* out) {
  if (bytes->size() < kUsnLayout2.name) return false;
  const auto length = Get<uint32_t>(*bytes, kUsnRecordLength);
  const UsnLayout* const at = LayoutOf(Get<uint16_t>(*bytes, kUsnMajorVersion));
  if (at == nullptr || length % 8 != 0 || length < at->name ||
      length > bytes->size()) {
    return false;
  }
  const std::string_view record = bytes->substr(0, length);
  const size_t name_bytes = Get<uint16_t>(record, at->name_length);
  const size_t name_offset = Get<uint16_t>(record, at->name_offset);
  if (name_bytes % 2 != 0) return false;
  if (name_bytes > 0 &&
      (name_offset < at->name || name_offset + name_bytes > length)) {
    return false;
  }
  out->file = GetRef(record, at->file, at->ref_bytes);
  out->parent = GetRef(record, at->parent, at->ref_bytes);
  out->usn = Get<int64_t>(record, at->usn);
  out->reasons = Get<uint32_t>(record, at->reasons);
  out->attributes = Get<uint32_t>(record, at->attributes);
  out->name.resize(name_bytes / 2);
  if (name_bytes > 0) {
    std::memcpy(out->name.data(), record.data() + name_offset, name_bytes);
  }
  bytes->remove_prefix(length);
  return true;
}

}  // namespace

std::optional<UsnBatch> ParseUsnBatch(std::string_view bytes, int64_t from) {
  UsnBatch batch;
  if (bytes.size() < sizeof(batch.next)) return std::nullopt;
  batch.next = Get<int64_t>(bytes, 0);
  if (batch.next < from) return std::nullopt;
  bytes.remove_prefix(sizeof(batch.next));
  int64_t least = from;
  while (!bytes.empty()) {
    UsnRecord& record = batch.records.emplace_back();
    if (!TakeRecord(&bytes, &record)) return std::nullopt;
    if (record.usn < least || record.usn >= batch.next) return std::nullopt;
    least = record.usn + 1;
  }
  return batch;
}

}  // namespace warmfs::hostd
