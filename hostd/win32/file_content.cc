// hostd/file.h by system calls of Windows: content.

#include <winsock2.h>
// After it.
#include <windows.h>
#include <winioctl.h>

#include <algorithm>

#include "hostd/file.h"
#include "hostd/win32/handle.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr size_t kMostAtOnce = 16 * 1024 * 1024;
constexpr uint64_t kEndOfFile = UINT64_MAX;

OVERLAPPED At(uint64_t offset) {
  OVERLAPPED at{};
  at.Offset = static_cast<DWORD>(offset);
  at.OffsetHigh = static_cast<DWORD>(offset >> 32);
  return at;
}

int64_t SizeOf(int fd) {
  LARGE_INTEGER size{};
  return GetFileSizeEx(ToHandle(fd), &size) ? size.QuadPart : -1;
}

// Reserves the space, without a change of size.
int Reserve(int fd, uint64_t end) {
  FILE_ALLOCATION_INFO info{};
  info.AllocationSize.QuadPart = static_cast<int64_t>(end);
  if (SizeOf(fd) >= static_cast<int64_t>(end)) return 0;
  return SetFileInformationByHandle(ToHandle(fd), FileAllocationInfo, &info,
                                    sizeof(info))
             ? 0
             : LastErrno();
}

int Zero(int fd, uint64_t offset, uint64_t length) {
  FILE_ZERO_DATA_INFORMATION range{};
  range.FileOffset.QuadPart = static_cast<int64_t>(offset);
  range.BeyondFinalZero.QuadPart = static_cast<int64_t>(offset + length);
  DWORD size = 0;
  return DeviceIoControl(ToHandle(fd), FSCTL_SET_ZERO_DATA, &range,
                         sizeof(range), nullptr, 0, &size, nullptr)
             ? 0
             : LastErrno();
}

}  // namespace

int ReadAt(int fd, uint64_t offset, char* buffer, size_t bytes, size_t* done) {
  *done = 0;
  while (*done < bytes) {
    OVERLAPPED at = At(offset + *done);
    DWORD n = 0;
    const auto wanted =
        static_cast<DWORD>(std::min(bytes - *done, kMostAtOnce));
    const int error = WhileLocked(fd, [&] {
      return ReadFile(ToHandle(fd), buffer + *done, wanted, &n, &at) ||
             GetLastError() == ERROR_HANDLE_EOF;
    });
    if (error != 0) return error;
    if (n == 0) break;
    *done += n;
  }
  return 0;
}

int WriteAt(int fd, uint64_t offset, std::string_view data, size_t* done) {
  *done = 0;
  while (*done < data.size()) {
    const bool append = offset == kEndOfFile;
    OVERLAPPED at = At(append ? offset : offset + *done);
    DWORD n = 0;
    const auto wanted =
        static_cast<DWORD>(std::min(data.size() - *done, kMostAtOnce));
    const int error = WhileLocked(fd, [&] {
      return WriteFile(ToHandle(fd), data.data() + *done, wanted, &n, &at);
    });
    if (error != 0) return *done > 0 ? 0 : error;
    if (n == 0) break;
    *done += n;
  }
  return 0;
}

// This offset means the end of the file, found and written to in one step.
int AppendTo(int fd, std::string_view data, size_t* done) {
  return WriteAt(fd, kEndOfFile, data, done);
}

int SetSize(int fd, uint64_t bytes) {
  FILE_END_OF_FILE_INFO info{};
  info.EndOfFile.QuadPart = static_cast<int64_t>(bytes);
  return SetFileInformationByHandle(ToHandle(fd), FileEndOfFileInfo, &info,
                                    sizeof(info))
             ? 0
             : LastErrno();
}

int AllocateRange(int fd, int mode, uint64_t offset, uint64_t length) {
  const bool keep = (mode & kFALLOC_FL_KEEP_SIZE) != 0;
  const auto size = static_cast<uint64_t>(SizeOf(fd));
  const uint64_t end = offset + length;
  if ((mode & (kFALLOC_FL_PUNCH_HOLE | kFALLOC_FL_ZERO_RANGE)) != 0) {
    if (offset < size) {
      const uint64_t within = std::min(end, size) - offset;
      if (const int error = Zero(fd, offset, within)) return error;
    }
    return keep || end <= size ? 0 : SetSize(fd, end);
  }
  if (const int error = Reserve(fd, end)) return error;
  return keep || end <= size ? 0 : SetSize(fd, end);
}

// Where the file system does not tell, all of it is data.
int FindData(int fd, uint64_t offset, bool hole, uint64_t* found) {
  const auto size = static_cast<uint64_t>(SizeOf(fd));
  if (offset >= size) return kENXIO;
  uint64_t at = offset;
  while (at < size) {
    FILE_ALLOCATED_RANGE_BUFFER rest{}, range{};
    rest.FileOffset.QuadPart = static_cast<int64_t>(at);
    rest.Length.QuadPart = static_cast<int64_t>(size - at);
    DWORD bytes = 0;
    const bool told =
        DeviceIoControl(ToHandle(fd), FSCTL_QUERY_ALLOCATED_RANGES, &rest,
                        sizeof(rest), &range, sizeof(range), &bytes, nullptr);
    if (!told && GetLastError() != ERROR_MORE_DATA) {
      *found = hole ? size : offset;
      return 0;
    }
    const bool none = bytes < sizeof(range);
    if (none && !hole) return kENXIO;
    const auto start = static_cast<uint64_t>(range.FileOffset.QuadPart);
    *found = std::max(start, at);
    if (!hole) return 0;
    *found = at;
    if (none || start > at) return 0;
    at = start + static_cast<uint64_t>(range.Length.QuadPart);
  }
  *found = size;
  return 0;
}

// Windows copies files by their paths, or blocks of them on ReFS.
int CopyWithin(int, uint64_t, int, uint64_t, uint64_t, uint64_t*) {
  return kEOPNOTSUPP;
}

// Needs the right to write, which a client that only reads has no reason to
// have: then there is nothing of its own to flush.
int Flush(int fd, bool) {
  if (FlushFileBuffers(ToHandle(fd))) return 0;
  UniqueFd writable;
  if (OpenPinned(fd, Access::kWrite, &writable) != 0) return 0;
  return FlushFileBuffers(ToHandle(writable.get())) ? 0 : LastErrno();
}

}  // namespace warmfs::hostd
