// The jail: how names from a client become descriptors, and why nothing outside
// of the export is reached (docs/security.md).
//
// A path is walked by the system beneath the root's descriptor, follows no link
// of any kind at all, and yields a pin: it holds the object and opens nothing,
// so that a FIFO does not block and a device does not act. Functions answer an
// errno, 0 on success.

#ifndef WARMFS_HOSTD_RESOLVE_H_
#define WARMFS_HOSTD_RESOLVE_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "schema/unique_fd.h"

namespace warmfs::hostd {

// One component: not empty, no NUL, no '/', not "." or ".." (EINVAL), at most
// kMaxNameBytes (ENAMETOOLONG).
int CheckName(std::string_view name);

// Components joined by single slashes, at most kMaxPathBytes; empty is the
// root.
int CheckPath(std::string_view path);

// Pins an entry of a directory, a symbolic link as itself. The name
// has passed CheckName.
int OpenChild(int dir, const std::string& name, UniqueFd* out);

// Pins the directory to export. NotFound, PermissionDenied, or
// FailedPrecondition if the system lacks what the jail is made of.
absl::StatusOr<UniqueFd> OpenExportRoot(const std::string& directory);

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
