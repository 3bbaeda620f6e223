// The jail by openat2(2).

#include "hostd/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hostd/file.h"
#include "hostd/posix/proc_path.h"
#include "schema/ops.h"

namespace warmfs::hostd {
namespace {

// The kernel gives up when a mount or rename somewhere disturbs its walk.
constexpr int kWalkAttempts = 8;

int OpenBeneath(int dir, const std::string& path, int flags, UniqueFd* out) {
  open_how how{};
  how.flags = static_cast<uint64_t>(O_PATH | O_NOFOLLOW | O_CLOEXEC | flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int i = 0; i < kWalkAttempts; ++i) {
    const long fd = syscall(SYS_openat2, dir, path.c_str(), &how, sizeof(how));
    if (fd >= 0) {
      *out = UniqueFd(static_cast<int>(fd));
      return 0;
    }
    if (errno != EAGAIN && errno != EINTR) return errno;
  }
  return EAGAIN;
}

// Whatever says that the client's idea of the tree is out of date.
int StaleIfGone(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
      return ESTALE;
    default:
      return error;
  }
}

absl::Status OpenError(const std::string& directory, int error) {
  return absl::ErrnoToStatus(error,
                             absl::StrCat("cannot export '", directory, "'"));
}

// The two things that the jail is made of. A container's system call filter or
// a missing /proc would otherwise show as odd errors of single operations.
absl::Status CheckSystem(int root) {
  UniqueFd fd;
  const int error = OpenBeneath(root, "no-such-name-in-this-directory", 0, &fd);
  if (error == ENOSYS || error == EPERM) {
    return absl::FailedPreconditionError(
        "the kernel does not allow openat2(2), which needs Linux 5.6");
  }
  if (access(ProcPath(root).c_str(), F_OK) != 0) {
    return absl::FailedPreconditionError("/proc is not mounted");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> OpenExportRoot(const std::string& directory) {
  constexpr int kFlags = O_DIRECTORY | O_CLOEXEC;
  const char* const path = directory.c_str();
  // Opened for reading first: a directory that cannot be listed is of no use.
  if (!UniqueFd(open(path, O_RDONLY | kFlags))) {
    return OpenError(directory, errno);
  }
  UniqueFd root(open(path, O_PATH | kFlags));
  if (!root) return OpenError(directory, errno);
  if (faccessat(root.get(), ".", X_OK, AT_EACCESS) != 0) {
    return OpenError(directory, errno);
  }
  if (absl::Status status = CheckSystem(root.get()); !status.ok()) {
    return status;
  }
  return root;
}

int OpenChild(int dir, const std::string& name, UniqueFd* out) {
  *out = UniqueFd(openat(dir, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return *out ? 0 : errno;
}

int Jail::Open(const std::string& path, UniqueFd* out) const {
  if (const int error = CheckPath(path)) return error;
  if (path.empty()) return Duplicate(root_.get(), out);
  UniqueFd base;
  int dir = root_.get();
  size_t start = 0;
  // The kernel takes at most PATH_MAX bytes at a time, its NUL included.
  while (path.size() - start >= PATH_MAX) {
    const size_t cut = path.rfind('/', start + PATH_MAX - 1);
    UniqueFd next;
    if (const int error = OpenBeneath(dir, path.substr(start, cut - start),
                                      O_DIRECTORY, &next)) {
      return StaleIfGone(error);
    }
    base = std::move(next);
    dir = base.get();
    start = cut + 1;
  }
  return StaleIfGone(OpenBeneath(dir, path.substr(start), 0, out));
}

}  // namespace warmfs::hostd
