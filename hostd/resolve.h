// The jail: how names from a client become descriptors, and why nothing outside
// of the export is reached (docs/security.md).
//
// A path is walked by the kernel beneath the root's descriptor, follows no
// symbolic link at all, and yields an O_PATH descriptor: it pins the object and
// opens nothing, so that a FIFO does not block and a device does not act.
// Functions answer an errno, 0 on success.

#ifndef WARMFS_HOSTD_RESOLVE_H_
#define WARMFS_HOSTD_RESOLVE_H_

#include <string>
#include <string_view>

#include "schema/unique_fd.h"

namespace warmfs::hostd {

// One component: not empty, no NUL, no '/', not "." or ".." (EINVAL), at most
// kMaxNameBytes (ENAMETOOLONG).
int CheckName(std::string_view name);

// Components joined by single slashes, at most kMaxPathBytes; empty is the
// root.
int CheckPath(std::string_view path);

// Opens an entry of a directory by O_PATH, a symbolic link as itself. The name
// has passed CheckName.
int OpenChild(int dir, const std::string& name, UniqueFd* out);

// Immutable, thread-safe; owns the root's descriptor.
class Jail {
 public:
  explicit Jail(UniqueFd root) : root_(std::move(root)) {}

  // ESTALE if nothing is there, or it can only be reached by a symbolic link.
  int Open(const std::string& path, UniqueFd* out) const;
  int root() const { return root_.get(); }

 private:
  UniqueFd root_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_RESOLVE_H_
