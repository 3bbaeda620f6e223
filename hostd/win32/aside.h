// Where objects go that have lost their name while somebody has them open, on a
// file system that keeps the name until the last close: a hidden folder in the
// export's root. They go from there with their last handle. Where Windows can
// take the name away at once (POSIX semantics, NTFS since Windows 10 1809) it
// is not used.
//
// Thread-safe. Functions answer a Linux errno, 0 on success.

#ifndef WARMFS_HOSTD_WIN32_ASIDE_H_
#define WARMFS_HOSTD_WIN32_ASIDE_H_

#include <string>

#include "hostd/win32/handle.h"

namespace warmfs::hostd {

// Objects beneath this directory may be put aside there.
void RegisterRoot(int root);

// Opens, and makes if need be, hostd's folder in that root.
int OpenHostFolder(int root, UniqueFd* out);

// Gives the object behind `fd`, which was opened with the right to delete, a
// name there.
int PutAside(int fd);

// Was it put aside, and does the name that `fd` was opened by no longer lead to
// it?
bool IsAside(int fd, const ObjectId& id);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_ASIDE_H_
