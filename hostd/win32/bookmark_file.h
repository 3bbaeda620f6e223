// Where the bookmark of an export's journal is on Windows: in hostd's own
// folder, which clients never see.
//
// One hostd at a time has it: two that went on from one place would tell of
// different events under the same numbers.

#ifndef WARMFS_HOSTD_WIN32_BOOKMARK_FILE_H_
#define WARMFS_HOSTD_WIN32_BOOKMARK_FILE_H_

#include <memory>

#include "hostd/bookmark.h"

namespace warmfs::hostd {

// `root`: of the export. Null, and logged: another hostd has it, or the folder
// cannot be written to.
std::unique_ptr<BookmarkFile> OpenBookmarkFile(int root);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_BOOKMARK_FILE_H_
