#include "hostd/win32/aside.h"

#include <atomic>
#include <cstdio>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hostd/file.h"
#include "hostd/random.h"
#include "hostd/win32/handle.h"
#include "hostd/win32/rename.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

struct Root {
  std::wstring path;
  UniqueFd fd;
};

// Of all exports of this process, for as long as it runs.
struct Roots {
  absl::Mutex mu;
  std::vector<Root> all ABSL_GUARDED_BY(mu);
};
Roots& AllRoots() {
  static Roots* const roots = new Roots;
  return *roots;
}

// What this process has put aside. An id may come again once the object is
// gone: so it alone tells nothing.
struct Aside {
  absl::Mutex mu;
  std::set<ObjectId> all ABSL_GUARDED_BY(mu);
};
Aside& AllAside() {
  static Aside* const aside = new Aside;
  return *aside;
}
constexpr size_t kMostRemembered = 64 * 1024;

// Until then nobody needs to be asked.
std::atomic<bool> used = false;

bool IsBeneath(const std::wstring& path, const std::wstring& root) {
  return path.size() > root.size() && path.compare(0, root.size(), root) == 0 &&
         (root.back() == L'\\' || path[root.size()] == L'\\');
}

int RootOf(int fd, UniqueFd* out) {
  const std::wstring path = PathOf(fd);
  absl::MutexLock lock(&AllRoots().mu);
  for (const Root& root : AllRoots().all) {
    if (IsBeneath(path, root.path)) return Duplicate(root.fd.get(), out);
  }
  return kEXDEV;
}

// By the name that it was opened by.
int OpenPath(int fd, UniqueFd* out) {
  std::wstring path(32 * 1024, L'\0');
  const DWORD size = GetFinalPathNameByHandleW(
      ToHandle(fd), path.data(), static_cast<DWORD>(path.size()), 0);
  if (size == 0 || size >= path.size()) return kENOENT;
  path.resize(size);
  const HANDLE handle = CreateFileW(
      path.c_str(), FILE_READ_ATTRIBUTES,
      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
      OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT,
      nullptr);
  if (handle == INVALID_HANDLE_VALUE) return LastErrno();
  *out = FromHandle(handle);
  return 0;
}

// From who looks at the directory, and from git, which knows nothing of
// Windows' attribute. That it cannot be hidden keeps it from nothing.
void HideFolder(int folder) {
  FILE_BASIC_INFO hidden{};
  hidden.FileAttributes = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_DIRECTORY;
  SetFileInformationByHandle(ToHandle(folder), FileBasicInfo, &hidden,
                             sizeof(hidden));
  UniqueFd file;
  OpenHow how;
  how.access = FILE_WRITE_DATA;
  how.disposition = 3;
  if (OpenRelative(folder, L".gitignore", how, &file) != 0) return;
  size_t done = 0;
  (void)WriteAt(file.get(), 0, "*\n", &done);
}

}  // namespace

void RegisterRoot(int root) {
  SetDefaultVolume(root);
  Root entry{PathOf(root), {}};
  if (entry.path.empty() || Duplicate(root, &entry.fd) != 0) return;
  absl::MutexLock lock(&AllRoots().mu);
  AllRoots().all.push_back(std::move(entry));
}

int OpenHostFolder(int root, UniqueFd* out) {
  OpenHow how;
  how.access = FILE_LIST_DIRECTORY | FILE_WRITE_ATTRIBUTES;
  how.options = FILE_DIRECTORY_FILE;
  how.any_case = true;
  int error = OpenRelative(root, kHostFolder, how, out);
  if (error != kENOENT) return error;
  how.disposition = 3;
  error = OpenRelative(root, kHostFolder, how, out);
  if (error == 0) HideFolder(out->get());
  return error;
}

int PutAside(int fd) {
  UniqueFd root, folder;
  if (const int error = RootOf(fd, &root)) return error;
  if (const int error = OpenHostFolder(root.get(), &folder)) return error;
  wchar_t name[24];
  std::swprintf(name, 24, L"%016llx",
                static_cast<unsigned long long>(RandomNumber()));
  ObjectId id;
  if (const int error = ReadId(fd, &id)) return error;
  if (const int error = RenameHandle(fd, folder.get(), name, Replace::kNo)) {
    return error;
  }
  used = true;
  absl::MutexLock lock(&AllAside().mu);
  if (AllAside().all.size() >= kMostRemembered) AllAside().all.clear();
  AllAside().all.insert(id);
  return 0;
}

bool IsAside(int fd, const ObjectId& id) {
  if (!used) return false;
  {
    absl::MutexLock lock(&AllAside().mu);
    if (!AllAside().all.contains(id)) return false;
  }
  const std::wstring path = PathOf(fd);
  const size_t end = path.rfind(L'\\');
  if (end == path.npos || IsHostFolder(LastPart(path.substr(0, end)))) {
    return true;
  }
  UniqueFd again;
  ObjectId found;
  const bool there = OpenPath(fd, &again) == 0 &&
                     ReadId(again.get(), &found) == 0 && found == id;
  return !there;
}

}  // namespace warmfs::hostd
