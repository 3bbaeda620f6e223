// The change journal of an NTFS or ReFS volume (USN journal) as Windows hands
// it out: 8 bytes, the number to read on from, and behind them records of
// version 2 or 3, each aligned to 8 bytes. Portable: read by byte offsets, and
// nothing that the bytes say is believed unchecked.
//
// Values; no state.

#ifndef WARMFS_HOSTD_USN_RECORD_H_
#define WARMFS_HOSTD_USN_RECORD_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace warmfs::hostd {

// Why there is a record. The reasons of a file add up from the first handle
// that is opened to the last one that is closed.
inline constexpr uint32_t kUsnDataOverwrite = 0x00000001;
inline constexpr uint32_t kUsnDataExtend = 0x00000002;
inline constexpr uint32_t kUsnDataTruncation = 0x00000004;
inline constexpr uint32_t kUsnFileCreate = 0x00000100;
inline constexpr uint32_t kUsnFileDelete = 0x00000200;
inline constexpr uint32_t kUsnRenameOldName = 0x00001000;
inline constexpr uint32_t kUsnRenameNewName = 0x00002000;
inline constexpr uint32_t kUsnHardLinkChange = 0x00010000;
inline constexpr uint32_t kUsnClose = 0x80000000;
// Of the main stream's bytes.
inline constexpr uint32_t kUsnWritten =
    kUsnDataOverwrite | kUsnDataExtend | kUsnDataTruncation;
// Of names, and what says nothing of the file itself.
inline constexpr uint32_t kUsnOfNames = kUsnFileCreate | kUsnFileDelete |
                                        kUsnRenameOldName | kUsnRenameNewName |
                                        kUsnHardLinkChange;

inline constexpr uint32_t kUsnDirectory = 0x10;  // of the attributes

// A file's number on its volume: 64 bits of version 2, and 64 zero bits.
using FileRef = std::array<uint8_t, 16>;

struct UsnRecord {
  FileRef file = {};
  FileRef parent = {};
  int64_t usn = 0;
  uint32_t reasons = 0;
  uint32_t attributes = 0;
  // Of the file in its parent, then. Empty: Windows does not tell it to who may
  // not read the whole volume.
  std::u16string name;
};

struct UsnBatch {
  int64_t next = 0;  // to read on from
  std::vector<UsnRecord> records;
};

// Of a read from `from` on. Nothing if it cannot be what Windows wrote: cut
// off, or with lengths, versions or numbers that do not fit.
std::optional<UsnBatch> ParseUsnBatch(std::string_view bytes, int64_t from);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_USN_RECORD_H_
