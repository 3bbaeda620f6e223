// Where the fields of the journal's records are, in bytes from a record's
// begin. win32/usn_volume.cc checks them against Windows' own structures.

#ifndef WARMFS_HOSTD_USN_LAYOUT_H_
#define WARMFS_HOSTD_USN_LAYOUT_H_

#include <cstddef>

namespace warmfs::hostd {

struct UsnLayout {
  size_t ref_bytes;  // of a file reference
  size_t file;
  size_t parent;
  size_t usn;
  size_t reasons;
  size_t attributes;
  size_t name_length;
  size_t name_offset;
  size_t name;  // where it begins at the earliest
};

inline constexpr size_t kUsnRecordLength = 0;
inline constexpr size_t kUsnMajorVersion = 4;
inline constexpr UsnLayout kUsnLayout2 = {8, 8, 16, 24, 40, 52, 56, 58, 60};
inline constexpr UsnLayout kUsnLayout3 = {16, 8, 24, 40, 56, 68, 72, 74, 76};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_USN_LAYOUT_H_
