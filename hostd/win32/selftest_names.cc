// Names: identities, deletion, renaming, links, case, length.

#include "hostd/win32/rename.h"
#include "hostd/win32/selftest.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

bool IsThere(const std::wstring& path) {
  return GetFileAttributesW(path.c_str()) != INVALID_FILE_ATTRIBUTES;
}

Finding TryIds(const std::wstring& dir) {
  const UniqueFd file = MakeFile(dir + L"\\id");
  const UniqueFd other = MakeFile(dir + L"\\id2");
  ObjectId a, b;
  const bool told = ReadId(file.get(), &a) == 0 && ReadId(other.get(), &b) == 0;
  const char* const item = "file ids of 128 bits";
  if (!told) return {item, No(GetLastError()), "needed", true};
  if (a == b) return {item, "differs: two files have one", "needed", true};
  return Works(item, "a file is itself under any name");
}

Finding TryPosixDelete(const std::wstring& dir) {
  const std::wstring path = dir + L"\\deleted";
  const UniqueFd reader = MakeFile(path), file = MakeFile(path);
  const int error = DeleteHandle(file.get(), /*posix=*/true);
  const bool stays = IsThere(path);
  const char* const item = "delete what is open (POSIX)";
  if (error == 0 && !stays) return Works(item, "a name goes at once");
  const char* const follows = "put aside in .warmfs-host until it is closed";
  if (error == 0) return {item, "differs: the name stays", follows};
  return {item, "no", follows};
}

Finding TryPosixRename(const std::wstring& dir) {
  const std::wstring from = dir + L"\\from", to = dir + L"\\to";
  const UniqueFd target = MakeFile(to), file = MakeFile(from);
  const HANDLE folder =
      CreateFileW(dir.c_str(), FILE_TRAVERSE | FILE_READ_ATTRIBUTES,
                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                  nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  const UniqueFd at = FromHandle(folder);
  const int error = RenameHandle(file.get(), at.get(), L"to", Replace::kPosix);
  const char* const item = "rename over what is open (POSIX)";
  if (error == 0 && !IsThere(from)) return Works(item, "in one step");
  return {item, "no", "the target is put aside first"};
}

Finding TrySymbolicLinks(const std::wstring& dir) {
  constexpr DWORD kUnprivileged = 2;
  const std::wstring path = dir + L"\\link";
  const BOOL made = CreateSymbolicLinkW(path.c_str(), L"id", kUnprivileged);
  const DWORD error = GetLastError();
  const DWORD attributes = GetFileAttributesW(path.c_str());
  const char* const item = "symbolic links";
  const char* const follows = "EPERM; turn on Windows' developer mode";
  if (!made) return {item, No(error), follows};
  if (attributes == INVALID_FILE_ATTRIBUTES ||
      (attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) {
    return {item, "differs: said to be made, and is none", "EPERM"};
  }
  return Works(item, "made as they are asked for");
}

Finding TryCaseFlag(const std::wstring& dir) {
  constexpr auto kCaseSensitiveInfo =
      static_cast<FILE_INFO_BY_HANDLE_CLASS>(23);
  const std::wstring path = dir + L"\\case";
  CreateDirectoryW(path.c_str(), nullptr);
  const UniqueFd folder = FromHandle(
      CreateFileW(path.c_str(), FILE_WRITE_ATTRIBUTES,
                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                  nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr));
  ULONG on = 1;
  const BOOL set = SetFileInformationByHandle(
      ToHandle(folder.get()), kCaseSensitiveInfo, &on, sizeof(on));
  const char* const item = "directories with exact case";
  const char* const follows = "a name that differs in case alone is EEXIST";
  if (!set) return {item, No(GetLastError()), follows};
  const UniqueFd lower = MakeFile(path + L"\\a"),
                 upper = MakeFile(path + L"\\A");
  ObjectId a, b;
  if (ReadId(lower.get(), &a) == 0 && ReadId(upper.get(), &b) == 0 && a == b) {
    return {item, "differs: set, and has no effect", follows};
  }
  return Works(item, "fsutil file setCaseSensitiveInfo DIR allows a and A");
}

Finding TryLongPaths(const std::wstring& dir) {
  std::wstring path = dir;
  const std::wstring name(200, L'n');
  bool made = true;
  for (int i = 0; i < 5 && made; ++i) {
    path += L"\\" + name;
    made = CreateDirectoryW(path.c_str(), nullptr);
  }
  const char* const item = "paths over 260 characters";
  if (!made) return {item, No(GetLastError()), "ENAMETOOLONG"};
  return Works(item, "up to 32,767");
}

}  // namespace

void TryNames(const std::wstring& dir, std::vector<Finding>* out) {
  out->push_back(TryIds(dir));
  out->push_back(TryPosixDelete(dir));
  out->push_back(TryPosixRename(dir));
  out->push_back(TrySymbolicLinks(dir));
  out->push_back(TryCaseFlag(dir));
  out->push_back(TryLongPaths(dir));
}

}  // namespace warmfs::hostd
