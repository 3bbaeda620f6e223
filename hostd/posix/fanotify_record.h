// What fanotify(7) writes for one event of a group that reports handles and
// names (FAN_REPORT_DFID_NAME_TARGET), as views into the buffer it was read to.
// Values; no state.
//
// A key stands for an object: the file system's id and the file handle, in the
// very bytes of struct fanotify_event_info_fid. No other object has it, now or
// later.

#ifndef WARMFS_HOSTD_POSIX_FANOTIFY_RECORD_H_
#define WARMFS_HOSTD_POSIX_FANOTIFY_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace warmfs::hostd {

struct FanotifyRecord {
  uint64_t mask = 0;
  // Where it happened. A directory's own event has its own key and the name
  // "."; an event without a place has neither.
  std::string_view dir, name;
  // Of FAN_RENAME: where to. `dir` and `name` say where from.
  std::string_view to_dir, to_name;
  std::string_view object;  // empty: a directory's own, or unknown
};

// Takes the first record off the bytes that were read. False: there is none, or
// it is not one.
bool TakeFanotifyRecord(std::string_view* bytes, FanotifyRecord* record);

// The key of the object behind a descriptor. An errno, 0 on success.
int FanotifyKey(int fd, std::string* key);

// The part of a key that is the file system's.
std::string_view FileSystemOf(std::string_view key);

// Opens the object of a key, which needs CAP_DAC_READ_SEARCH; `mount`: any
// descriptor of the same file system that is not O_PATH. -1 if it cannot.
int OpenFanotifyKey(int mount, std::string_view key);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_FANOTIFY_RECORD_H_
