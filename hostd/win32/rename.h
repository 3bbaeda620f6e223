// Renaming by handle: NtSetInformationFile, which takes a directory's handle
// and a name in it.

#ifndef WARMFS_HOSTD_WIN32_RENAME_H_
#define WARMFS_HOSTD_WIN32_RENAME_H_

#include <string>

namespace warmfs::hostd {

enum class Replace { kNo, kYes, kPosix };

// `fd` has the right to delete. kPosix: also what others have open. A Linux
// errno; EOPNOTSUPP if the file system does not know kPosix.
int RenameHandle(int fd, int dir, const std::wstring& name, Replace replace);

// Another name for the object behind `fd`. EEXIST if the name is taken.
int LinkHandle(int fd, int dir, const std::wstring& name);

// The object goes with its last handle; with `posix` its name goes at once.
int DeleteHandle(int fd, bool posix);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_RENAME_H_
