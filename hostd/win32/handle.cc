#include "hostd/win32/handle.h"

#include <spdlog/spdlog.h>
#include <winternl.h>
#include <xxhash.h>

#include <atomic>

#include "hostd/name_mapping.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

// FileIdInfo; not in all headers.
constexpr auto kFileIdInfo = static_cast<FILE_INFO_BY_HANDLE_CLASS>(18);
constexpr auto kStatusDeletePending = static_cast<NTSTATUS>(0xC0000056);
constexpr int kBusyAttempts = 10;
constexpr DWORD kBusyWaitMillis = 10;
constexpr size_t kMaxPathUnits = 32 * 1024;
constexpr ULONG kShareAll =
    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
constexpr ULONG kOptions =
    FILE_OPEN_REPARSE_POINT | FILE_OPEN_FOR_BACKUP_INTENT;

std::atomic<uint64_t> default_volume = 0;

void SayLocked(const std::wstring& name) {
  spdlog::warn(
      "another program has locked a file: {}",
      FromWindowsName(std::u16string(name.begin(), name.end())).value_or("?"));
}

bool OpenedExactly(int fd, const std::wstring& name) {
  const std::wstring path = PathOf(fd);
  return path.empty() || LastPart(path) == name;
}

NTSTATUS Open(int dir, const std::wstring& name, const OpenHow& how,
              HANDLE* out) {
  UNICODE_STRING text;
  text.Buffer = const_cast<wchar_t*>(name.c_str());
  text.Length = text.MaximumLength =
      static_cast<USHORT>(name.size() * sizeof(wchar_t));
  OBJECT_ATTRIBUTES object;
  InitializeObjectAttributes(&object, &text,
                             how.any_case ? OBJ_CASE_INSENSITIVE : 0,
                             ToHandle(dir), nullptr);
  IO_STATUS_BLOCK io{};
  const ULONG waits = how.overlapped ? 0 : FILE_SYNCHRONOUS_IO_NONALERT;
  return NtCreateFile(out, how.access | SYNCHRONIZE, &object, &io, nullptr,
                      FILE_ATTRIBUTE_NORMAL, how.exclusive ? 0 : kShareAll,
                      how.disposition, how.options | waits | kOptions, nullptr,
                      0);
}

}  // namespace

int ErrnoOf(DWORD error) {
  switch (error) {
    case ERROR_SUCCESS:
      return 0;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_DELETE_PENDING:
    case ERROR_INVALID_DRIVE:
      return kENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_CANT_ACCESS_FILE:
      return kEACCES;
    case ERROR_PRIVILEGE_NOT_HELD:
      return kEPERM;
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_USER_MAPPED_FILE:
      return kEBUSY;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS:
      return kEEXIST;
    case ERROR_NOT_SAME_DEVICE:
      return kEXDEV;
    case ERROR_DIRECTORY:
      return kENOTDIR;
    case ERROR_DIR_NOT_EMPTY:
      return kENOTEMPTY;
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_INVALID_PARAMETER:
      return kEINVAL;
    case ERROR_TOO_MANY_OPEN_FILES:
      return kENFILE;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_NO_SYSTEM_RESOURCES:
      return kENOMEM;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
      return kENOSPC;
    case ERROR_FILE_TOO_LARGE:
      return kEFBIG;
    case ERROR_WRITE_PROTECT:
      return kEROFS;
    case ERROR_TOO_MANY_LINKS:
      return kEMLINK;
    case ERROR_FILENAME_EXCED_RANGE:
    case ERROR_BUFFER_OVERFLOW:
      return kENAMETOOLONG;
    case ERROR_NOT_SUPPORTED:
    case ERROR_INVALID_FUNCTION:
    case ERROR_CALL_NOT_IMPLEMENTED:
      return kEOPNOTSUPP;
    case ERROR_NOT_READY:
    case ERROR_DEV_NOT_EXIST:
    case ERROR_DEVICE_NOT_CONNECTED:
      return kENODEV;
    default:
      return kEIO;
  }
}

bool SameLetters(const std::wstring& a, const std::wstring& b) {
  return CompareStringOrdinal(a.c_str(), static_cast<int>(a.size()), b.c_str(),
                              static_cast<int>(b.size()), TRUE) == CSTR_EQUAL;
}

bool IsHostFolder(const std::wstring& name) {
  return SameLetters(name, kHostFolder);
}

int HostName(const std::string& name, std::wstring* out) {
  const auto mapped = ToWindowsName(name);
  if (!mapped) return kENAMETOOLONG;
  out->assign(mapped->begin(), mapped->end());
  return IsHostFolder(*out) ? kEPERM : 0;
}

int OpenRelative(int dir, const std::wstring& name, const OpenHow& how,
                 UniqueFd* out) {
  NTSTATUS status = 0;
  HANDLE handle = nullptr;
  for (int i = 0; i < kBusyAttempts; ++i) {
    status = Open(dir, name, how, &handle);
    if (status >= 0) break;
    if (status == kStatusDeletePending) return kENOENT;
    const DWORD error = RtlNtStatusToDosError(status);
    if (error != ERROR_SHARING_VIOLATION) return ErrnoOf(error);
    Sleep(kBusyWaitMillis);
  }
  if (status < 0) {
    // What is opened once more has no name here but the one of its handle.
    SayLocked(name.empty() ? LastPart(PathOf(dir)) : name);
    return kEBUSY;
  }
  *out = FromHandle(handle);
  if (name.empty() || how.any_case || OpenedExactly(out->get(), name)) return 0;
  out->Reset();
  return kENOENT;
}

int WhileLocked(int fd, absl::FunctionRef<bool()> act) {
  for (int i = 0; i < kBusyAttempts; ++i) {
    if (act()) return 0;
    const DWORD error = GetLastError();
    if (error != ERROR_LOCK_VIOLATION) return ErrnoOf(error);
    Sleep(kBusyWaitMillis);
  }
  SayLocked(LastPart(PathOf(fd)));
  return kEBUSY;
}

std::wstring PathOf(int fd) {
  std::wstring path(MAX_PATH, L'\0');
  for (int i = 0; i < 2; ++i) {
    const DWORD size = GetFinalPathNameByHandleW(
        ToHandle(fd), path.data(), static_cast<DWORD>(path.size()),
        FILE_NAME_NORMALIZED | VOLUME_NAME_NONE);
    if (size == 0 || size > kMaxPathUnits) return L"";
    const bool fits = size < path.size();
    path.resize(size);
    if (fits) return path;
  }
  return L"";
}

int CheckLength(int dir, const std::wstring& name) {
  const size_t size = PathOf(dir).size() + 1 + name.size();
  return size > kMostPathUnits ? kENAMETOOLONG : 0;
}

std::wstring LastPart(const std::wstring& path) {
  return path.substr(path.rfind(L'\\') + 1);
}

int ReadId(int fd, ObjectId* out) {
  static_assert(sizeof(ObjectId) == 24);
  if (!GetFileInformationByHandleEx(ToHandle(fd), kFileIdInfo, out,
                                    sizeof(*out))) {
    return LastErrno();
  }
  // Wine asks for the volume by the name that the handle was opened by, and
  // tells none when that is gone: it is the first export's then.
  if (out->volume == 0) out->volume = default_volume;
  return 0;
}

FileId ToFileId(const ObjectId& id) {
  const XXH128_hash_t hash = XXH3_128bits(&id, sizeof(id));
  return {hash.high64, hash.low64 | 1};
}

void SetDefaultVolume(int root) {
  ObjectId id;
  if (ReadId(root, &id) == 0 && default_volume == 0) default_volume = id.volume;
}

bool Grants(int fd, ACCESS_MASK access) {
  struct {
    ULONG attributes;
    ACCESS_MASK granted;
    ULONG rest[12];
  } info{};
  constexpr auto kBasic = static_cast<OBJECT_INFORMATION_CLASS>(0);
  return NtQueryObject(ToHandle(fd), kBasic, &info, sizeof(info), nullptr) >=
             0 &&
         (info.granted & access) == access;
}

int KindOf(int fd, Kind* out) {
  FILE_ATTRIBUTE_TAG_INFO info{};
  if (!GetFileInformationByHandleEx(ToHandle(fd), FileAttributeTagInfo, &info,
                                    sizeof(info))) {
    return LastErrno();
  }
  out->link = (info.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 &&
              IsReparseTagNameSurrogate(info.ReparseTag);
  out->directory =
      (info.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0 && !out->link;
  out->read_only = (info.FileAttributes & FILE_ATTRIBUTE_READONLY) != 0;
  out->tag = info.ReparseTag;
  return 0;
}

}  // namespace warmfs::hostd
