// The injector's own way into the mount: a descriptor of its root, relative to
// which calls are made.
//
// With the privilege it is a mount of its own, a detached clone: it is writable
// where the mount that is seen is read-only, is not in the way of umount, and
// whatever is mounted over the mountpoint is not met. Without, it is the root
// of the mount that is seen.
//
// An open view keeps the file system alive after the mount is gone, and one
// that is no clone keeps it from being unmounted. So it is held only while
// there is work, a clone for a moment longer (kLinger), and never for longer
// than kMaxAge, after which the mountpoint must still be ours.
//
// Thread-compatible; each hand has one.

#ifndef WARMFS_FUSE_MOUNT_VIEW_H_
#define WARMFS_FUSE_MOUNT_VIEW_H_

#include <sys/types.h>

#include <string>

#include "absl/time/time.h"
#include "schema/unique_fd.h"

namespace warmfs::fuse {

// What is mounted where. A value.
struct MountedAt {
  std::string mountpoint;
  dev_t device = 0;

  // What is mounted there now, or 0: asks the kernel, but never the client.
  static dev_t DeviceAt(int dir, const std::string& path);
};

class MountView {
 public:
  static constexpr absl::Duration kLinger = absl::Milliseconds(250);
  static constexpr absl::Duration kMaxAge = absl::Seconds(1);

  // Opens it if need be; the descriptor, or -1 with errno: ENODEV if something
  // else, or nothing, is mounted there.
  int Use(const MountedAt& mount);
  void Close() { fd_.Reset(); }

  bool open() const { return static_cast<bool>(fd_); }
  absl::Duration linger() const {
    return clone_ ? kLinger : absl::ZeroDuration();
  }

 private:
  UniqueFd fd_;
  bool clone_ = false;
  absl::Time opened_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_MOUNT_VIEW_H_
