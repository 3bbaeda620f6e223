// Builds what Windows hands out of a USN journal, byte by byte.

#ifndef WARMFS_TESTS_FAKES_USN_BUFFER_H_
#define WARMFS_TESTS_FAKES_USN_BUFFER_H_

#include <cstdint>
#include <cstring>
#include <string>

#include "hostd/usn_layout.h"
#include "hostd/usn_record.h"

namespace warmfs::hostd {

inline FileRef Ref(uint64_t number) {
  FileRef ref = {};
  std::memcpy(ref.data(), &number, sizeof(number));
  return ref;
}

template <typename T>
void Put(std::string* bytes, size_t offset, T value) {
  std::memcpy(bytes->data() + offset, &value, sizeof(value));
}

// Version 2 or 3.
inline std::string UsnRecordBytes(const UsnRecord& record, int version) {
  const UsnLayout& at = version == 2 ? kUsnLayout2 : kUsnLayout3;
  const size_t name_bytes = record.name.size() * 2;
  std::string bytes((at.name + name_bytes + 7) / 8 * 8, '\0');
  Put(&bytes, kUsnRecordLength, static_cast<uint32_t>(bytes.size()));
  Put(&bytes, kUsnMajorVersion, static_cast<uint16_t>(version));
  std::memcpy(bytes.data() + at.file, record.file.data(), at.ref_bytes);
  std::memcpy(bytes.data() + at.parent, record.parent.data(), at.ref_bytes);
  Put(&bytes, at.usn, record.usn);
  Put(&bytes, at.reasons, record.reasons);
  Put(&bytes, at.attributes, record.attributes);
  Put(&bytes, at.name_length, static_cast<uint16_t>(name_bytes));
  Put(&bytes, at.name_offset, static_cast<uint16_t>(at.name));
  std::memcpy(bytes.data() + at.name, record.name.data(), name_bytes);
  return bytes;
}

inline std::string UsnBatchBytes(int64_t next, const std::string& records) {
  std::string bytes(sizeof(next), '\0');
  Put(&bytes, 0, next);
  return bytes + records;
}

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_FAKES_USN_BUFFER_H_
