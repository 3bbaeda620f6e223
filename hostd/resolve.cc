#include "hostd/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

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

int Duplicate(int fd, UniqueFd* out) {
  *out = UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return *out ? 0 : errno;
}

}  // namespace

int CheckName(std::string_view name) {
  if (name.size() > kMaxNameBytes) return ENAMETOOLONG;
  if (name.empty() || name == "." || name == "..") return EINVAL;
  if (name.find('/') != name.npos) return EINVAL;
  return name.find('\0') != name.npos ? EINVAL : 0;
}

int CheckPath(std::string_view path) {
  if (path.size() > kMaxPathBytes) return ENAMETOOLONG;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    if (const int error = CheckName(path.substr(0, slash))) return error;
    if (slash == path.npos) return 0;
    path.remove_prefix(slash + 1);
    if (path.empty()) return EINVAL;  // ends in a slash
  }
  return 0;
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
