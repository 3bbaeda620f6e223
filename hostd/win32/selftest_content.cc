// What belongs to a file besides its name: times, streams, extended
// attributes, holes.

#include <winternl.h>

#include <cstring>

#include "hostd/win32/selftest.h"
// After windows.h.
#include <winioctl.h>

extern "C" NTSTATUS NTAPI NtSetEaFile(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG);

namespace warmfs::hostd {
namespace {

Finding TryTimes(const std::wstring& dir) {
  const UniqueFd file = MakeFile(dir + L"\\times");
  FILE_BASIC_INFO info{}, read{};
  info.LastWriteTime.QuadPart = 133'000'000'000'000'001;
  SetFileInformationByHandle(ToHandle(file.get()), FileBasicInfo, &info,
                             sizeof(info));
  GetFileInformationByHandleEx(ToHandle(file.get()), FileBasicInfo, &read,
                               sizeof(read));
  const char* const item = "times to 100 ns";
  if (read.LastWriteTime.QuadPart != info.LastWriteTime.QuadPart) {
    return {item, "differs: rounded", "changes within a tick may look alike"};
  }
  return Works(item, "each change has a time of its own");
}

Finding TryStreams(const std::wstring& dir) {
  const std::wstring path = dir + L"\\streams";
  const UniqueFd file = MakeFile(path);
  DWORD flags = 0;
  GetVolumeInformationByHandleW(ToHandle(file.get()), nullptr, 0, nullptr,
                                nullptr, &flags, nullptr, 0);
  const char* const item = "streams of a file";
  const char* const follows = "owners and modes are kept in .warmfs-host";
  if ((flags & FILE_NAMED_STREAMS) == 0) return {item, "no", follows};
  const UniqueFd stream = MakeFile(path + L":warmfs.attr");
  if (!stream) return {item, No(GetLastError()), follows};
  WIN32_FILE_ATTRIBUTE_DATA data{};
  DWORD written = 0;
  WriteFile(ToHandle(stream.get()), "x", 1, &written, nullptr);
  GetFileAttributesExW(path.c_str(), GetFileExInfoStandard, &data);
  if (written != 1 || data.nFileSizeLow != 0) {
    return {item, "differs: it is the file's own content", follows};
  }
  return Works(item, "owners and modes are kept in one");
}

Finding TryExtendedAttributes(const std::wstring& dir) {
  const UniqueFd file = MakeFile(dir + L"\\ea", FILE_WRITE_EA | SYNCHRONIZE);
  struct {
    ULONG next = 0;
    UCHAR flags = 0;
    UCHAR name_length = 6;
    USHORT value_length = 1;
    char name[8] = "WARMFS";  // and the value behind its NUL
  } ea;
  ea.name[7] = 'x';
  IO_STATUS_BLOCK io{};
  const NTSTATUS status =
      NtSetEaFile(ToHandle(file.get()), &io, &ea, sizeof(ea));
  const char* const item = "extended attributes (EA)";
  if (status < 0) return {item, No(RtlNtStatusToDosError(status)), "not used"};
  return Works(item, "not used yet");
}

Finding TryHoles(const std::wstring& dir) {
  const UniqueFd file = MakeFile(dir + L"\\holes");
  const HANDLE h = ToHandle(file.get());
  const char* const item = "sparse files and their ranges";
  const char* const follows = "a file counts as having no holes";
  DWORD size = 0;
  if (!DeviceIoControl(h, FSCTL_SET_SPARSE, nullptr, 0, nullptr, 0, &size,
                       nullptr)) {
    return {item, No(GetLastError()), follows};
  }
  LARGE_INTEGER end;
  end.QuadPart = 1 << 20;
  SetFilePointerEx(h, end, nullptr, FILE_BEGIN);
  DWORD written = 0;
  WriteFile(h, "x", 1, &written, nullptr);
  FILE_ALLOCATED_RANGE_BUFFER all{}, ranges[4];
  all.Length.QuadPart = end.QuadPart + 1;
  if (!DeviceIoControl(h, FSCTL_QUERY_ALLOCATED_RANGES, &all, sizeof(all),
                       ranges, sizeof(ranges), &size, nullptr)) {
    return {item, No(GetLastError()), follows};
  }
  if (size != sizeof(ranges[0]) || ranges[0].FileOffset.QuadPart == 0) {
    return {item, "differs: a hole is told as data", follows};
  }
  return Works(item, "SEEK_DATA and SEEK_HOLE find them");
}

}  // namespace

void TryContent(const std::wstring& dir, std::vector<Finding>* out) {
  out->push_back(TryTimes(dir));
  out->push_back(TryStreams(dir));
  out->push_back(TryExtendedAttributes(dir));
  out->push_back(TryHoles(dir));
}

}  // namespace warmfs::hostd
