#include "fuse/mount_view.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "absl/time/clock.h"

namespace warmfs::fuse {
namespace {

int OpenClone(const std::string& mountpoint) {
  UniqueFd fd(open_tree(AT_FDCWD, mountpoint.c_str(),
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!fd) return -1;
  mount_attr attr = {};
  attr.attr_clr = MOUNT_ATTR_RDONLY;
  if (mount_setattr(fd.get(), "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0) {
    return -1;
  }
  return fd.Release();
}

}  // namespace

dev_t MountedAt::DeviceAt(int dir, const std::string& path) {
  struct statx st;
  if (statx(dir, path.c_str(), AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO,
            &st) != 0) {
    return 0;
  }
  return makedev(st.stx_dev_major, st.stx_dev_minor);
}

int MountView::Use(const MountedAt& mount) {
  const absl::Time now = absl::Now();
  if (fd_ && now - opened_ > kMaxAge) fd_.Reset();
  if (fd_) return fd_.get();
  fd_ = UniqueFd(OpenClone(mount.mountpoint));
  clone_ = static_cast<bool>(fd_);
  if (!fd_) {
    fd_ = UniqueFd(
        ::open(mount.mountpoint.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  opened_ = now;
  if (fd_ && MountedAt::DeviceAt(fd_.get(), "") != mount.device) {
    fd_.Reset();
    errno = ENODEV;
  }
  return fd_.get();
}

}  // namespace warmfs::fuse
