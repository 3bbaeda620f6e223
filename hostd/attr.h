// Attributes of host objects as the client sees them: statx(2), the identity
// made from it, the racy flag, and the overlay of owner and mode.
//
// Identity (FileId): XXH3-128 over file system id, inode and birth time. The
// file system's id is statfs's f_fsid where it has one, since device numbers
// may change with each boot; otherwise the device number.
//
// Thread-safe. Functions answer an errno, 0 on success.

#ifndef WARMFS_HOSTD_ATTR_H_
#define WARMFS_HOSTD_ATTR_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "hostd/overlay.h"
#include "schema/types.h"

namespace warmfs::hostd {

class AttrReader {
 public:
  // `root`: a descriptor of the export's root, whose file system's inode
  // numbers are shown as they are.
  AttrReader(int root, Overlay overlay);

  // Of the object behind a descriptor, O_PATH or not.
  int Read(int fd, Attr* out) const;
  // The same without the overlay: what the host itself says.
  int ReadReal(int fd, Attr* out) const;
  // Of a directory's entry, a symbolic link as itself.
  int ReadEntry(int dir, const std::string& name, Attr* out) const;

  const Overlay& overlay() const { return overlay_; }

 private:
  // `name` empty: of `dir` itself.
  int ReadPlain(int dir, const char* name, Attr* out) const;
  uint64_t FileSystemId(uint64_t device, int dir, const char* name) const;

  const Overlay overlay_;
  uint64_t root_device_ = 0;
  uint64_t root_fsid_ = 0;
  // Of file systems mounted beneath the root, by device.
  mutable absl::Mutex mu_;
  mutable absl::flat_hash_map<uint64_t, uint64_t> fsids_ ABSL_GUARDED_BY(mu_);
};

// Was a change time of `ctime` young enough at `now` that another change could
// leave it as it is?
bool IsRacy(const Timestamp& ctime, const Timestamp& now);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_ATTR_H_
