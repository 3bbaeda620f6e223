#include "hostd/win32/selftest.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

namespace warmfs::hostd {
namespace {

constexpr int kExitCannotTry = 66;

std::wstring WideOf(const std::string& text) {
  const int size =
      MultiByteToWideChar(CP_UTF8, 0, text.c_str(), -1, nullptr, 0);
  std::wstring wide(static_cast<size_t>(size), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.c_str(), -1, wide.data(), size);
  wide.pop_back();  // its NUL
  return wide;
}

// The folder to try in; "" if it cannot be made.
std::wstring MakeFolder(const std::string& beneath) {
  const std::wstring given = WideOf(beneath);
  std::wstring full(32 * 1024, L'\0');
  full.resize(GetFullPathNameW(given.c_str(), static_cast<DWORD>(full.size()),
                               full.data(), nullptr));
  const std::wstring folder = L"\\\\?\\" + full + L"\\warmfs-selftest-" +
                              std::to_wstring(GetCurrentProcessId());
  return CreateDirectoryW(folder.c_str(), nullptr) ? folder : L"";
}

void RemoveTree(const std::wstring& folder) {
  WIN32_FIND_DATAW found;
  const HANDLE search = FindFirstFileW((folder + L"\\*").c_str(), &found);
  if (search == INVALID_HANDLE_VALUE) return;
  do {
    const std::wstring name = found.cFileName;
    if (name == L"." || name == L"..") continue;
    const std::wstring path = folder + L"\\" + name;
    const bool directory =
        (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    const bool link =
        (found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
    if (directory && !link) {
      RemoveTree(path);
    } else if (!DeleteFileW(path.c_str())) {
      RemoveDirectoryW(path.c_str());
    }
  } while (FindNextFileW(search, &found));
  FindClose(search);
  RemoveDirectoryW(folder.c_str());
}

void Print(const std::vector<Finding>& findings) {
  size_t item = 0, result = 0;
  for (const Finding& f : findings) {
    item = std::max(item, f.item.size());
    result = std::max(result, f.result.size());
  }
  for (const Finding& f : findings) {
    fmt::print("{:<{}}  {:<{}}  {}\n", f.item, item, f.result, result,
               f.follows);
  }
}

}  // namespace

std::string No(DWORD error) {
  return fmt::format("no (Windows error {})", error);
}

UniqueFd MakeFile(const std::wstring& path, ACCESS_MASK access) {
  const HANDLE handle =
      CreateFileW(path.c_str(), access | DELETE,
                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                  nullptr, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
  return handle == INVALID_HANDLE_VALUE ? UniqueFd() : FromHandle(handle);
}

int Selftest(const std::string& dir) {
  const std::wstring folder = MakeFolder(dir);
  if (folder.empty()) {
    fmt::print(stderr,
               "warmfs-hostd: selftest: cannot make a folder in '{}' (Windows "
               "error {}); give a directory that you may write to\n",
               dir, GetLastError());
    return kExitCannotTry;
  }
  std::vector<Finding> findings;
  TryNames(folder, &findings);
  TryContent(folder, &findings);
  TryChanges(folder, &findings);
  TryEndpoints(&findings);
  RemoveTree(folder);
  Print(findings);
  std::string missing;
  for (const Finding& f : findings) {
    if (f.missing) missing += (missing.empty() ? "" : ", ") + f.item;
  }
  if (missing.empty()) {
    fmt::print("\nhostd has what it needs here.\n");
    return 0;
  }
  fmt::print("\nhostd cannot serve here; missing: {}\n", missing);
  return 1;
}

}  // namespace warmfs::hostd
