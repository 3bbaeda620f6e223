// Handles and errors of Windows as the seam of hostd/file.h has them, and how
// names are opened: relative to a directory's handle, by the native call, which
// knows no current directory, no drives and no "..", and follows no link here.
//
// Case. Windows finds a name by any case (unless the directory is marked
// otherwise), Linux by its own only. So what was opened is asked for its name,
// and one that differs counts as not there.
//
// Thread-safe. Functions answer a Linux errno, 0 on success.

#ifndef WARMFS_HOSTD_WIN32_HANDLE_H_
#define WARMFS_HOSTD_WIN32_HANDLE_H_

#include <winsock2.h>
// After it.
#include <windows.h>

#include <compare>
#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "schema/types.h"
#include "schema/unique_fd.h"

namespace warmfs::hostd {

inline HANDLE ToHandle(int fd) {
  return reinterpret_cast<HANDLE>(static_cast<intptr_t>(fd));
}
inline UniqueFd FromHandle(HANDLE handle) {
  return UniqueFd(static_cast<int>(reinterpret_cast<intptr_t>(handle)));
}

int ErrnoOf(DWORD error);
inline int LastErrno() { return ErrnoOf(GetLastError()); }

// Of hostd itself, in the root of an export: clients never see it.
inline constexpr wchar_t kHostFolder[] = L".warmfs-host";
bool IsHostFolder(const std::wstring& name);

// A name of Linux as it is on this host: ENAMETOOLONG, or EPERM for our own.
int HostName(const std::string& name, std::wstring* out);

struct OpenHow {
  ACCESS_MASK access = FILE_READ_ATTRIBUTES;
  ULONG disposition = 1;  // FILE_OPEN; 2 is FILE_CREATE, 3 FILE_OPEN_IF
  ULONG options = 0;      // besides those that every handle has
  bool any_case = false;
  bool overlapped = false;
  bool exclusive = false;  // nobody else has it open meanwhile
};
// `name` empty: the object behind `dir` once more. A file that another program
// has locked is tried again for a moment, and is EBUSY then.
int OpenRelative(int dir, const std::wstring& name, const OpenHow& how,
                 UniqueFd* out);
// Does something with what `fd` has, again and again for the same moment while
// another program has locked that part of it. `act`: false, and Windows' error.
int WhileLocked(int fd, absl::FunctionRef<bool()> act);

// Who an object is, on whatever volume.
struct ObjectId {
  uint64_t volume = 0;
  uint8_t id[16] = {};

  auto operator<=>(const ObjectId&) const = default;
};
int ReadId(int fd, ObjectId* out);
FileId ToFileId(const ObjectId& id);
void SetDefaultVolume(int root);

// May the descriptor itself be used for this?
bool Grants(int fd, ACCESS_MASK access);

// The path on its volume, "" if it cannot be told.
std::wstring PathOf(int fd);
// So many characters have the longest paths that programs of Windows can say.
// Beneath a directory's handle there could be longer ones, which they could
// neither open nor remove.
inline constexpr size_t kMostPathUnits = 32'767 - 64;  // of a volume's name
// Of a new name in the directory: ENAMETOOLONG.
int CheckLength(int dir, const std::wstring& name);
std::wstring LastPart(const std::wstring& path);
bool SameLetters(const std::wstring& a, const std::wstring& b);

// Is it a link of any kind, which is not to be followed?
struct Kind {
  bool directory = false;
  bool link = false;
  bool read_only = false;
  DWORD tag = 0;
};
int KindOf(int fd, Kind* out);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_HANDLE_H_
