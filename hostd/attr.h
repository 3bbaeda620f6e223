// Attributes of host objects as the client sees them: what the system tells,
// the identity made from it, the racy flag, and the overlay of owner and mode.
//
// Identity (FileId). POSIX: XXH3-128 over file system id, inode, birth time and
// the file handle. File systems give an inode number out again at once, and two
// births may share a tick of the clock; the handle (exportfs, Linux 2.6.39) has
// the inode's generation, where there is one. The file system's id is statfs's
// f_fsid where it has one, since device numbers may change with each boot,
// otherwise the device number. Win32: the volume's serial number and the
// 128-bit file id, in the same way.
//
// Thread-safe. Functions answer an errno, 0 on success.

#ifndef WARMFS_HOSTD_ATTR_H_
#define WARMFS_HOSTD_ATTR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "hostd/overlay.h"
#include "schema/types.h"
#include "schema/unique_fd.h"

namespace warmfs::hostd {

class AttrReader {
 public:
  // `root`: a descriptor of the export's root, whose file system's inode
  // numbers are shown as they are.
  AttrReader(int root, Overlay overlay);
  ~AttrReader();

  // Of the object behind a descriptor, O_PATH or not.
  int Read(int fd, Attr* out) const;
  // The same without the overlay: what the host itself says.
  int ReadReal(int fd, Attr* out) const;
  // Of a directory's entry, a symbolic link as itself. `pin`: what they were
  // read by.
  int ReadEntry(int dir, const std::string& name, Attr* out,
                UniqueFd* pin = nullptr) const;

  const Overlay& overlay() const { return overlay_; }

 private:
  struct Volumes;  // the system's: what tells file systems apart

  const Overlay overlay_;
  const std::unique_ptr<Volumes> volumes_;
};

// Was a change time of `ctime` young enough at `now` that another change could
// leave it as it is?
bool IsRacy(const Timestamp& ctime, const Timestamp& now);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_ATTR_H_
