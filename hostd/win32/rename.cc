#include "hostd/win32/rename.h"

#include <cstddef>
#include <cstring>
#include <vector>

#include "hostd/win32/handle.h"
#include "schema/linux_abi.h"
// After windows.h.
#include <winternl.h>

extern "C" NTSTATUS NTAPI NtSetInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID,
                                               ULONG, FILE_INFORMATION_CLASS);

namespace warmfs::hostd {
namespace {

// Not in all headers, or behind a check of the version that none can pass.
constexpr auto kRename = static_cast<FILE_INFORMATION_CLASS>(10);
constexpr auto kRenameEx = static_cast<FILE_INFORMATION_CLASS>(65);
constexpr auto kLink = static_cast<FILE_INFORMATION_CLASS>(11);
constexpr auto kDisposition = static_cast<FILE_INFORMATION_CLASS>(13);
constexpr auto kDispositionEx = static_cast<FILE_INFORMATION_CLASS>(64);
constexpr ULONG kReplaceIfExists = 1;
constexpr ULONG kRenamePosix = 2;
constexpr ULONG kIgnoreReadOnly = 0x40;
constexpr ULONG kDelete = 1;
constexpr ULONG kDeletePosix = 2;
constexpr ULONG kDeleteIgnoreReadOnly = 0x10;

// Of a hard link's information too.
struct RenameInfo {
  ULONG flags;  // without Ex: its first byte is ReplaceIfExists
  HANDLE dir;
  ULONG name_bytes;
  wchar_t name[1];
};

int Set(int fd, FILE_INFORMATION_CLASS which, void* info, size_t bytes) {
  IO_STATUS_BLOCK io{};
  const NTSTATUS status = NtSetInformationFile(
      ToHandle(fd), &io, info, static_cast<ULONG>(bytes), which);
  if (status >= 0) return 0;
  const DWORD error = RtlNtStatusToDosError(status);
  const bool posix = which == kRenameEx || which == kDispositionEx;
  // How file systems say that they do not know it: all of these.
  const bool unknown =
      error == ERROR_INVALID_PARAMETER || error == ERROR_NOT_SUPPORTED ||
      error == ERROR_INVALID_FUNCTION || error == ERROR_CALL_NOT_IMPLEMENTED;
  return posix && unknown ? kEOPNOTSUPP : ErrnoOf(error);
}

}  // namespace

int RenameHandle(int fd, int dir, const std::wstring& name, Replace replace) {
  const size_t name_bytes = name.size() * sizeof(wchar_t);
  std::vector<char> buffer(sizeof(RenameInfo) + name_bytes);
  auto* const info = reinterpret_cast<RenameInfo*>(buffer.data());
  info->flags = replace == Replace::kNo ? 0 : kReplaceIfExists;
  if (replace == Replace::kPosix) info->flags |= kRenamePosix | kIgnoreReadOnly;
  info->dir = ToHandle(dir);
  info->name_bytes = static_cast<ULONG>(name_bytes);
  std::memcpy(info->name, name.data(), name_bytes);
  return Set(fd, replace == Replace::kPosix ? kRenameEx : kRename, info,
             buffer.size());
}

int LinkHandle(int fd, int dir, const std::wstring& name) {
  const size_t name_bytes = name.size() * sizeof(wchar_t);
  std::vector<char> buffer(sizeof(RenameInfo) + name_bytes);
  auto* const info = reinterpret_cast<RenameInfo*>(buffer.data());
  info->dir = ToHandle(dir);
  info->name_bytes = static_cast<ULONG>(name_bytes);
  std::memcpy(info->name, name.data(), name_bytes);
  return Set(fd, kLink, info, buffer.size());
}

int DeleteHandle(int fd, bool posix) {
  ULONG flags = kDelete | kDeletePosix | kDeleteIgnoreReadOnly;
  if (posix) return Set(fd, kDispositionEx, &flags, sizeof(flags));
  BOOLEAN yes = TRUE;
  return Set(fd, kDisposition, &yes, sizeof(yes));
}

}  // namespace warmfs::hostd
