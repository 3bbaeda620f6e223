// Takes a mount off its mountpoint: umount(2) as root, otherwise through
// libfuse's setuid helper fusermount3. Thread-safe.

#ifndef WARMFS_FUSE_DETACH_H_
#define WARMFS_FUSE_DETACH_H_

#include <string>

namespace warmfs::fuse {

// An errno; EBUSY if it is in use. `lazy`: never in use, those inside stay
// until they leave.
int Detach(const std::string& mountpoint, bool lazy);

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_DETACH_H_
