// hostd/file.h by system calls of Windows: pins, attributes, links' targets.

#include <winsock2.h>
// After it.
#include <windows.h>
#include <winioctl.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "hostd/file.h"
#include "hostd/name_mapping.h"
#include "hostd/win32/handle.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr int64_t kTicksPerSecond = 10'000'000;
constexpr int64_t kUnixEpochTicks = 116'444'736'000'000'000;
// Before 1601 and after 30828 Windows has no times.
constexpr int64_t kMostSeconds =
    INT64_MAX / kTicksPerSecond - kUnixEpochTicks / kTicksPerSecond - 1;

int64_t TicksOf(const TimeOrNow& time) {
  if (time.now) {
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    return static_cast<int64_t>(now.dwHighDateTime) << 32 | now.dwLowDateTime;
  }
  const int64_t sec = std::clamp(
      time.time.sec, -kUnixEpochTicks / kTicksPerSecond + 1, kMostSeconds);
  return kUnixEpochTicks + sec * kTicksPerSecond + time.time.nsec / 100;
}

ACCESS_MASK RightsOf(Access access) {
  switch (access) {
    case Access::kRead:
      return GENERIC_READ;
    case Access::kWrite:
      return GENERIC_WRITE | FILE_READ_ATTRIBUTES;
    case Access::kReadWrite:
      return GENERIC_READ | GENERIC_WRITE;
  }
  return GENERIC_READ;
}

ACCESS_MASK SpecificRightsOf(Access access) {
  const ACCESS_MASK read = FILE_READ_DATA, write = FILE_WRITE_DATA;
  return access == Access::kRead    ? read
         : access == Access::kWrite ? write
                                    : read | write;
}

// Of both kinds of links the part that holds the target; not in mingw's
// headers.
struct ReparseHead {
  DWORD tag;
  WORD bytes;
  WORD reserved;
  WORD substitute_offset, substitute_bytes;
  WORD print_offset, print_bytes;
};

// Where a link leads, as a path of Linux if it is relative.
std::string TargetOf(std::wstring target) {
  if (target.starts_with(L"\\??\\")) target.erase(0, 4);
  std::string out;
  std::wstring part;
  for (const wchar_t c : target + L"\\") {
    if (c != L'\\') {
      part.push_back(c);
      continue;
    }
    const std::u16string name(part.begin(), part.end());
    const bool dots = part == L"." || part == L"..";
    out += dots ? std::string(part.begin(), part.end())
                : FromWindowsName(name).value_or("?");
    out.push_back('/');
    part.clear();
  }
  out.pop_back();
  return out;
}

}  // namespace

int Duplicate(int fd, UniqueFd* out) {
  HANDLE copy = nullptr;
  const HANDLE self = GetCurrentProcess();
  if (!DuplicateHandle(self, ToHandle(fd), self, &copy, 0, FALSE,
                       DUPLICATE_SAME_ACCESS)) {
    return LastErrno();
  }
  *out = FromHandle(copy);
  return 0;
}

int OpenPinned(int pin, Access access, UniqueFd* out) {
  // What PinForLater has made is the only way to an object without a name.
  if (Grants(pin, SpecificRightsOf(access))) return Duplicate(pin, out);
  UniqueFd opened;
  const int error =
      OpenRelative(pin, L"", {.access = RightsOf(access)}, &opened);
  if (error != 0) return error;
  // Wine opens what now has the name that the pin was opened by.
  ObjectId pinned, found;
  if (ReadId(pin, &pinned) != 0 || ReadId(opened.get(), &found) != 0 ||
      pinned != found) {
    return kESTALE;
  }
  *out = std::move(opened);
  return 0;
}

int OpenPinnedDirectory(int pin, UniqueFd* out) {
  OpenHow how;
  how.access = FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES;
  how.options = FILE_DIRECTORY_FILE;
  return OpenRelative(pin, L"", how, out);
}

int MaySearch(int) { return 0; }

void PinForLater(UniqueFd* pin) {
  UniqueFd opened;
  if (OpenPinned(pin->get(), Access::kReadWrite, &opened) == 0 ||
      OpenPinned(pin->get(), Access::kRead, &opened) == 0) {
    *pin = std::move(opened);
  }
}

// A number that no user of a VM has: all objects belong to it, and the client
// shows it as the mounting user.
HostUser CurrentHostUser() { return {2'000'000'000, 2'000'000'000}; }

bool PinsAreUnnoticed() { return false; }

bool ModesAreKept() { return false; }

int SetTimes(int fd, const std::optional<TimeOrNow>& atime,
             const std::optional<TimeOrNow>& mtime) {
  UniqueFd opened;
  const int error =
      OpenRelative(fd, L"", {.access = FILE_WRITE_ATTRIBUTES}, &opened);
  if (error != 0) return error;
  FILE_BASIC_INFO info{};  // 0: stays as it is
  if (atime) info.LastAccessTime.QuadPart = TicksOf(*atime);
  if (mtime) info.LastWriteTime.QuadPart = TicksOf(*mtime);
  return SetFileInformationByHandle(ToHandle(opened.get()), FileBasicInfo,
                                    &info, sizeof(info))
             ? 0
             : LastErrno();
}

int ReadFileSystem(int fd, StatFsReply* out) {
  const std::wstring path = PathOf(fd);
  std::wstring full(32 * 1024, L'\0');
  full.resize(GetFinalPathNameByHandleW(ToHandle(fd), full.data(),
                                        static_cast<DWORD>(full.size()), 0));
  // The volume is the same for a file's directory.
  Kind kind;
  if (KindOf(fd, &kind) == 0 && !kind.directory) {
    full.resize(full.rfind(L'\\') + 1);
  }
  ULARGE_INTEGER available{}, total{}, free{};
  if (!GetDiskFreeSpaceExW(full.c_str(), &available, &total, &free)) {
    return LastErrno();
  }
  constexpr uint64_t kBlock = 4096;
  out->block_bytes = kBlock;
  out->blocks = total.QuadPart / kBlock;
  out->blocks_free = free.QuadPart / kBlock;
  out->blocks_available = available.QuadPart / kBlock;
  out->name_max = kMaxNameBytes;
  return 0;
}

int ReadTarget(int fd, const std::string& name, std::string* out) {
  UniqueFd child;
  if (!name.empty()) {
    std::wstring host;
    if (const int error = HostName(name, &host)) return error;
    if (const int error = OpenRelative(fd, host, {}, &child)) return error;
    fd = child.get();
  }
  std::vector<char> buffer(MAXIMUM_REPARSE_DATA_BUFFER_SIZE);
  DWORD size = 0;
  if (!DeviceIoControl(ToHandle(fd), FSCTL_GET_REPARSE_POINT, nullptr, 0,
                       buffer.data(), static_cast<DWORD>(buffer.size()), &size,
                       nullptr)) {
    return LastErrno();
  }
  ReparseHead head{};
  if (size < sizeof(head)) return kEINVAL;
  std::memcpy(&head, buffer.data(), sizeof(head));
  size_t start = sizeof(head) + head.substitute_offset;
  if (head.tag == IO_REPARSE_TAG_SYMLINK) {
    start += sizeof(DWORD);  // its flags
  } else if (head.tag != IO_REPARSE_TAG_MOUNT_POINT) {
    return kEINVAL;
  }
  if (start + head.substitute_bytes > size) return kEINVAL;
  std::wstring target(head.substitute_bytes / sizeof(wchar_t), L'\0');
  std::memcpy(target.data(), buffer.data() + start,
              target.size() * sizeof(wchar_t));
  *out = TargetOf(std::move(target));
  return 0;
}

// Not kept on Windows: extended attributes are asked for, and there are none.
int ListXattrs(int, std::string* out) {
  out->clear();
  return 0;
}
int ReadXattr(int, const std::string&, std::string*) { return kENODATA; }
int WriteXattr(int, const SetXattrRequest& request) {
  return request.value ? kEOPNOTSUPP : kENODATA;
}

}  // namespace warmfs::hostd
