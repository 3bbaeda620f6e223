// What ReadDirectoryChangesW and its Ex form write into a buffer, taken apart
// byte by byte: no header of Windows, so that it is tested on every system.
// FILE_NOTIFY_INFORMATION and FILE_NOTIFY_EXTENDED_INFORMATION have the layout.
//
// Stateless, thread-safe. What lies outside of the buffer is never read.

#ifndef WARMFS_HOSTD_NOTIFY_RECORD_H_
#define WARMFS_HOSTD_NOTIFY_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace warmfs::hostd {

struct NotifyRecord {
  // FILE_ACTION_; others are not asked for.
  enum Action : uint32_t {
    kAdded = 1,
    kRemoved = 2,
    kModified = 3,
    kRenamedOld = 4,
    kRenamedNew = 5,
  };
  uint32_t action = 0;
  std::u16string path;  // from the watched directory on
  // Of the Ex form.
  std::optional<uint64_t> id;
  std::optional<bool> directory;
};

// Takes the first record off `*buffer`, which is empty after the last. False:
// the buffer is empty, or what it has is no record; nothing more is in it then.
bool TakeNotifyRecord(bool extended, std::string_view* buffer,
                      NotifyRecord* out);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_NOTIFY_RECORD_H_
