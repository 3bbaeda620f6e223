// A subtree source by ReadDirectoryChangesW: one handle on the export's root,
// which tells of everything beneath it. Needs no right but to list the root.
//
// A thread of its own waits for a buffer (64 KiB: what network file systems
// allow at most), hands the other one to the system at once, and takes the
// first apart. The Ex form is used where there is one (Windows 10 1709): it
// tells ids, by which moves across directories are known, and what was a
// directory.
//
// Markers are files in hostd's own folder that are made and gone at once, with
// the source's and the marker's number in their names. The system tells of a
// change within the call that makes it, and keeps the order, so the file's
// notification is behind those of everything done before. A marker that comes
// without the one placed before it shows that something was lost of which the
// system said nothing: kLost.
//
// What the system does not do:
//  - Content and attributes are both told as "modified".
//  - Closes are not told. NTFS tells of what a program writes when it flushes
//    its caches, for most programs at their close.
//  - A file system may go on telling what is beneath a renamed directory under
//    its old path (Wine). That is tried out at the start, in hostd's own
//    folder. Where it is so, a renamed directory has all of it begin anew, with
//    kLost.
//  - The tree's root goes away (a drive that is pulled out): kEnded.
//
// Thread-safe, as the seam says.

#ifndef WARMFS_HOSTD_WIN32_DIRECTORY_CHANGES_H_
#define WARMFS_HOSTD_WIN32_DIRECTORY_CHANGES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "hostd/subtree_source.h"

namespace warmfs::hostd {

// `root`: of the export, which outlives it.
absl::StatusOr<std::unique_ptr<SubtreeSource>> WatchDirectoryChanges(int root);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_DIRECTORY_CHANGES_H_
