// The jail by handles: each part of a path is opened relative to the handle of
// the one before, and asked whether it is a link, before the next is.

#include "hostd/resolve.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hostd/file.h"
#include "hostd/name_mapping.h"
#include "hostd/win32/aside.h"
#include "hostd/win32/handle.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

std::wstring WideOf(const std::string& text) {
  const int bytes = static_cast<int>(text.size());
  const int size =
      MultiByteToWideChar(CP_UTF8, 0, text.data(), bytes, nullptr, 0);
  std::wstring wide(static_cast<size_t>(size), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.data(), bytes, wide.data(), size);
  return wide;
}

// Whole, as it was given: without this form a path has at most 260 characters.
std::wstring LongPath(const std::string& directory) {
  const std::wstring given = WideOf(directory);
  const DWORD size = GetFullPathNameW(given.c_str(), 0, nullptr, nullptr);
  std::wstring full(size, L'\0');
  full.resize(GetFullPathNameW(given.c_str(), size, full.data(), nullptr));
  if (full.starts_with(L"\\\\?\\")) return full;
  if (full.starts_with(L"\\\\")) return L"\\\\?\\UNC" + full.substr(1);
  return L"\\\\?\\" + full;
}

absl::Status OpenError(const std::string& directory, DWORD error) {
  return absl::ErrnoToStatus(
      error == ERROR_INVALID_NAME ? ENOENT : ErrnoOf(error),
      absl::StrCat("cannot export '", directory, "' (Windows error ", error,
                   ")"));
}

// Of one that is long by itself, with the root's own path before it.
int CheckWhole(int root, const std::string& path) {
  constexpr size_t kShortBytes = 16'384;
  if (path.size() <= kShortBytes) return 0;
  size_t units = PathOf(root).size();
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const auto name = ToWindowsName(path.substr(begin, end - begin));
    if (!name) return kENAMETOOLONG;
    units += 1 + name->size();
    begin = end + 1;
  }
  return units > kMostPathUnits ? kENAMETOOLONG : 0;
}

int StaleIfGone(int error) {
  return error == kENOENT || error == kENOTDIR ? kESTALE : error;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenExportRoot(const std::string& directory) {
  const HANDLE handle = CreateFileW(
      LongPath(directory).c_str(), FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES,
      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
      OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  if (handle == INVALID_HANDLE_VALUE) {
    return OpenError(directory, GetLastError());
  }
  UniqueFd root = FromHandle(handle);
  Kind kind;
  if (KindOf(root.get(), &kind) != 0 || !kind.directory) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot export '", directory, "': it is no directory"));
  }
  RegisterRoot(root.get());
  return root;
}

int OpenChild(int dir, const std::string& name, UniqueFd* out) {
  std::wstring host;
  const int error = HostName(name, &host);
  if (error == kEPERM) return kENOENT;  // hostd's own
  return error != 0 ? error : OpenRelative(dir, host, {}, out);
}

int Jail::Open(const std::string& path, UniqueFd* out) const {
  if (const int error = CheckPath(path)) return error;
  if (path.empty()) return Duplicate(root_.get(), out);
  if (const int error = CheckWhole(root_.get(), path)) return error;
  UniqueFd base;
  size_t start = 0;
  while (true) {
    const size_t slash = path.find('/', start);
    UniqueFd next;
    const int dir = base ? base.get() : root_.get();
    const int error = OpenChild(dir, path.substr(start, slash - start), &next);
    if (error != 0) return StaleIfGone(error);
    base = std::move(next);
    if (slash == path.npos) break;
    Kind kind;
    if (const int error = KindOf(base.get(), &kind)) return error;
    if (!kind.directory) return kESTALE;
    start = slash + 1;
  }
  *out = std::move(base);
  return 0;
}

}  // namespace warmfs::hostd
