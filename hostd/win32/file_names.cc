// hostd/file.h by system calls of Windows: names.

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "hostd/dir_reader.h"
#include "hostd/file.h"
#include "hostd/name_mapping.h"
#include "hostd/win32/aside.h"
#include "hostd/win32/handle.h"
#include "hostd/win32/rename.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr ULONG kCreate = 2;
constexpr ACCESS_MASK kMove =
    DELETE | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES;

int NewName(int dir, const std::string& name, std::wstring* out) {
  const int error = HostName(name, out);
  return error != 0 ? error : CheckLength(dir, *out);
}

// Makes a link of it if Windows lets this user, and looks whether it is one:
// Wine says that it is, and makes none.
int MakeLink(int dir, const std::wstring& name, std::string_view target) {
  std::wstring host;
  for (std::string_view rest = target;;) {
    const size_t slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    const bool plain = part.empty() || part == "." || part == "..";
    const auto mapped = ToWindowsName(part);
    if (!plain && !mapped) return kENAMETOOLONG;
    if (plain) host.append(part.begin(), part.end());
    if (!plain) host.append(mapped->begin(), mapped->end());
    if (slash == rest.npos) break;
    host.push_back(L'\\');
    rest.remove_prefix(slash + 1);
  }
  const std::wstring path = L"\\\\?\\GLOBALROOT" + [&] {
    std::wstring nt(32 * 1024, L'\0');
    nt.resize(GetFinalPathNameByHandleW(ToHandle(dir), nt.data(),
                                        static_cast<DWORD>(nt.size()),
                                        VOLUME_NAME_NT));
    return nt;
  }() + L"\\" + name;
  constexpr DWORD kUnprivileged = 2;
  if (!CreateSymbolicLinkW(path.c_str(), host.c_str(), kUnprivileged)) {
    const int error = LastErrno();
    return error == kEEXIST ? kEEXIST : kEPERM;
  }
  UniqueFd made;
  Kind kind;
  const bool is_there = OpenRelative(dir, name, {}, &made) == 0 &&
                        KindOf(made.get(), &kind) == 0 && kind.link;
  return is_there ? 0 : kEPERM;
}

// Found by any case: what is there by another one is in the way.
bool IsTakenByOtherCase(int dir, const std::wstring& name) {
  UniqueFd exact, any;
  if (OpenRelative(dir, name, {}, &exact) == 0) return false;
  OpenHow how;
  how.any_case = true;
  return OpenRelative(dir, name, how, &any) == 0;
}

int IsEmpty(int dir, bool* empty) {
  UniqueFd fd;
  if (const int error = OpenPinnedDirectory(dir, &fd)) return error;
  DirReader reader(std::move(fd));
  std::string first;
  const int error = reader.Next(&first);
  *empty = first.empty();
  return error;
}

void ClearReadOnly(int fd) {
  FILE_BASIC_INFO info{};
  info.FileAttributes = FILE_ATTRIBUTE_NORMAL;
  SetFileInformationByHandle(ToHandle(fd), FileBasicInfo, &info, sizeof(info));
}

// With its name at once, by whichever way the file system knows.
int Delete(int fd, const Kind& kind) {
  int error = DeleteHandle(fd, /*posix=*/true);
  if (error != kEOPNOTSUPP) return error;
  bool empty = true;
  if (kind.directory) error = IsEmpty(fd, &empty);
  if (!empty) return kENOTEMPTY;
  if (kind.read_only) ClearReadOnly(fd);
  error = PutAside(fd);
  // Without a place for it: it goes when nobody has it open.
  const int deleted = DeleteHandle(fd, /*posix=*/false);
  return deleted == 0 || error == 0 ? 0 : deleted;
}

bool SameObject(int a, int b) {
  ObjectId ids[2];
  return ReadId(a, &ids[0]) == 0 && ReadId(b, &ids[1]) == 0 && ids[0] == ids[1];
}

// What Linux refuses, and Windows by other errors.
int CheckKinds(const Kind& moved, const UniqueFd& other, uint32_t flags) {
  if (!other) return 0;
  if ((flags & kRENAME_NOREPLACE) != 0) return kEEXIST;
  Kind kind;
  if (const int error = KindOf(other.get(), &kind)) return error;
  if (moved.directory != kind.directory) {
    return kind.directory ? kEISDIR : kENOTDIR;
  }
  bool empty = true;
  if (kind.directory) {
    if (const int error = IsEmpty(other.get(), &empty)) return error;
  }
  return empty ? 0 : kENOTEMPTY;
}

// By a name that differs in more than case, since Windows sees no difference.
int RenameCase(int fd, int dir, const std::wstring& name) {
  if (const int error = PutAside(fd)) return error;
  return RenameHandle(fd, dir, name, Replace::kNo);
}

int Replacing(int fd, int dir, const std::wstring& name,
              const UniqueFd& other) {
  int error = RenameHandle(fd, dir, name, Replace::kPosix);
  if (error != kEOPNOTSUPP && !(other && error == kEACCES)) return error;
  if (other) {
    Kind kind;
    error = KindOf(other.get(), &kind);
    if (error == 0) error = Delete(other.get(), kind);
    if (error != 0) return error;
  }
  return RenameHandle(fd, dir, name, Replace::kYes);
}

bool IsWithin(int dir, int moved) {
  const std::wstring inner = PathOf(dir), outer = PathOf(moved);
  return !outer.empty() && inner.starts_with(outer) &&
         (inner.size() == outer.size() || inner[outer.size()] == L'\\');
}

}  // namespace

int MakeEntry(int dir, const std::string& name, const CreateRequest& request,
              UniqueFd* file) {
  std::wstring host;
  if (const int error = NewName(dir, name, &host)) return error;
  OpenHow how;
  how.disposition = kCreate;
  UniqueFd made;
  switch (request.mode & kS_IFMT) {
    case kS_IFREG:
      how.access = GENERIC_READ | GENERIC_WRITE | DELETE;
      how.options = FILE_NON_DIRECTORY_FILE;
      return OpenRelative(dir, host, how, file);
    case kS_IFDIR:
      how.access = FILE_LIST_DIRECTORY;
      how.options = FILE_DIRECTORY_FILE;
      return OpenRelative(dir, host, how, &made);
    case kS_IFLNK:
      return MakeLink(dir, host, request.target);
    default:
      return kEPERM;  // FIFOs and sockets: Windows has no such files
  }
}

int LinkEntry(int pin, int dir, const std::string& name) {
  std::wstring host;
  if (const int error = NewName(dir, name, &host)) return error;
  return LinkHandle(pin, dir, host);
}

int RemoveEntry(int dir, const std::string& name, bool directory) {
  std::wstring host;
  if (HostName(name, &host) != 0) return kENOENT;
  UniqueFd fd;
  Kind kind;
  int error = OpenRelative(dir, host, {.access = kMove}, &fd);
  if (error == 0) error = KindOf(fd.get(), &kind);
  if (error != 0) return error;
  if (kind.directory != directory) return directory ? kENOTDIR : kEISDIR;
  return Delete(fd.get(), kind);
}

int RenameEntry(int from_dir, const std::string& from, int to_dir,
                const std::string& to, uint32_t flags) {
  if ((flags & kRENAME_EXCHANGE) != 0) return kEINVAL;
  std::wstring source, target;
  if (HostName(from, &source) != 0) return kENOENT;
  if (const int error = NewName(to_dir, to, &target)) return error;
  UniqueFd moved, other;
  Kind kind;
  int error = OpenRelative(from_dir, source, {.access = kMove}, &moved);
  if (error == 0) error = KindOf(moved.get(), &kind);
  if (error != 0) return error;
  if (kind.directory && IsWithin(to_dir, moved.get())) return kEINVAL;
  OpenHow any{.access = kMove};
  any.any_case = true;
  error = OpenRelative(to_dir, target, any, &other);
  if (error != 0 && error != kENOENT) return error;
  if (other && SameObject(moved.get(), other.get())) {
    const bool same_place =
        SameLetters(PathOf(moved.get()), PathOf(other.get()));
    if (!same_place || source == target) return 0;  // two links of one file
    return RenameCase(moved.get(), to_dir, target);
  }
  if (other && IsTakenByOtherCase(to_dir, target)) return kEEXIST;
  if (const int refused = CheckKinds(kind, other, flags)) return refused;
  return Replacing(moved.get(), to_dir, target, other);
}

}  // namespace warmfs::hostd
