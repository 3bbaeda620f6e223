#include "hostd/posix/fanotify_record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/statfs.h>

#include <cstring>

namespace warmfs::hostd {
namespace {

// Linux 6.5: a handle for telling objects apart, of file systems too that could
// not find the object by it. It is what fanotify reports.
constexpr int kHandleForFid = 0x200;  // AT_HANDLE_FID
constexpr size_t kFsidBytes = sizeof(fsid_t);

// The file_handle of a key, at an address that suits it.
struct Handle {
  file_handle head;
  unsigned char bytes[MAX_HANDLE_SZ];
};

template <typename T>
bool Peek(std::string_view bytes, T* value) {
  if (bytes.size() < sizeof(T)) return false;
  std::memcpy(value, bytes.data(), sizeof(T));
  return true;
}

// Parts the key from what is behind it. Empty: it is not one.
std::string_view TakeKey(std::string_view* bytes) {
  file_handle head;
  if (bytes->size() < kFsidBytes || !Peek(bytes->substr(kFsidBytes), &head)) {
    return {};
  }
  const size_t size = kFsidBytes + sizeof(head) + head.handle_bytes;
  if (size > bytes->size()) return {};
  const std::string_view key = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return key;
}

// NUL-terminated, and padded.
std::string_view NameIn(std::string_view bytes) {
  return bytes.substr(0, bytes.find('\0'));
}

void Put(uint8_t type, std::string_view body, FanotifyRecord* record) {
  const std::string_view key = TakeKey(&body);
  switch (type) {
    case FAN_EVENT_INFO_TYPE_FID:
      record->object = key;
      return;
    case FAN_EVENT_INFO_TYPE_DFID:
      record->dir = key;
      record->name = ".";
      return;
    case FAN_EVENT_INFO_TYPE_DFID_NAME:
    case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
      record->dir = key;
      record->name = NameIn(body);
      return;
    case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
      record->to_dir = key;
      record->to_name = NameIn(body);
      return;
    default:  // of a later kernel
      return;
  }
}

}  // namespace

bool TakeFanotifyRecord(std::string_view* bytes, FanotifyRecord* record) {
  fanotify_event_metadata head;
  if (!Peek(*bytes, &head) || head.event_len > bytes->size() ||
      head.metadata_len > head.event_len || head.event_len < sizeof(head)) {
    return false;
  }
  *record = {};
  record->mask = head.mask;
  std::string_view rest =
      bytes->substr(head.metadata_len, head.event_len - head.metadata_len);
  bytes->remove_prefix(head.event_len);
  fanotify_event_info_header info;
  while (Peek(rest, &info) && info.len >= sizeof(info) &&
         info.len <= rest.size()) {
    Put(info.info_type, rest.substr(sizeof(info), info.len - sizeof(info)),
        record);
    rest.remove_prefix(info.len);
  }
  return true;
}

int FanotifyKey(int fd, std::string* key) {
  struct statfs fs {};
  if (fstatfs(fd, &fs) != 0) return errno;
  Handle handle;
  int mount_id = 0;
  for (const int flag : {kHandleForFid, 0}) {
    handle.head.handle_bytes = MAX_HANDLE_SZ;
    const int result = name_to_handle_at(fd, "", &handle.head, &mount_id,
                                         AT_EMPTY_PATH | flag);
    if (result == 0) break;
    if (flag == 0 || errno != EINVAL) return errno;
  }
  key->assign(reinterpret_cast<const char*>(&fs.f_fsid), kFsidBytes);
  key->append(reinterpret_cast<const char*>(&handle),
              sizeof(handle.head) + handle.head.handle_bytes);
  return 0;
}

std::string_view FileSystemOf(std::string_view key) {
  return key.substr(0, kFsidBytes);
}

int OpenFanotifyKey(int mount, std::string_view key) {
  Handle handle;
  if (key.size() < kFsidBytes || key.size() - kFsidBytes > sizeof(handle)) {
    return -1;
  }
  key.remove_prefix(kFsidBytes);
  std::memcpy(&handle, key.data(), key.size());
  return open_by_handle_at(mount, &handle.head, O_PATH | O_CLOEXEC);
}

}  // namespace warmfs::hostd
