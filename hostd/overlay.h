// The overlay of owner and mode: what a chown or chmod of the VM asked for that
// hostd may not do to the host's object, or that the host's file system has no
// notion of. It is stored with the object itself (POSIX: in the extended
// attribute user.warmfs.attr; Win32: in the stream of that name, or beside the
// tree), along with the owner and mode that the object really had then. It
// holds only as long as the object still has those: somebody on the host who
// changes them has the last word.
//
// Only regular files and directories can carry it. With `enabled` false (hostd
// may do everything itself) overlays are neither read nor written, including
// those that an unprivileged hostd wrote before.
//
// Immutable, thread-safe. What is read is data from a disk: anything malformed
// counts as absent.

#ifndef WARMFS_HOSTD_OVERLAY_H_
#define WARMFS_HOSTD_OVERLAY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "schema/types.h"

namespace warmfs::hostd {

// Extended attributes of this prefix are the host's own; clients neither see
// nor set them.
inline constexpr std::string_view kPrivateXattrs = "user.warmfs.";
inline constexpr char kOverlayXattr[] = "user.warmfs.attr";

struct OwnerMode {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t mode = 0;  // permission bits only

  static OwnerMode Of(const Attr& attr) {
    return {attr.uid, attr.gid, attr.mode & 07777};
  }
  bool operator==(const OwnerMode&) const = default;
};

class Overlay {
 public:
  // `root`: a descriptor of the export's.
  Overlay(bool enabled, int root);

  bool Carries(const Attr& attr) const {
    return enabled_ && (attr.IsRegular() || attr.IsDirectory());
  }
  // Both take in `attr` what the host says. Of an object behind a descriptor:
  void Apply(int fd, Attr* attr) const;
  // Of a directory's entry:
  void ApplyToEntry(int dir, const std::string& name, Attr* attr) const;

  // An errno, 0 on success. `real`: the object's own attributes now.
  int Store(int fd, const OwnerMode& wanted, const Attr& real) const;
  void Clear(int fd, const Attr& real) const;

 private:
  class SideStore;  // the system's: for what cannot carry it itself

  bool enabled_;
  std::shared_ptr<SideStore> side_;  // may be null
};

// The stored form, for tests and fuzzing.
std::string EncodeOverlay(const OwnerMode& wanted, const OwnerMode& real);
struct DecodedOverlay {
  OwnerMode wanted;
  OwnerMode real;
};
std::optional<DecodedOverlay> DecodeOverlay(std::string_view text);
// Shows `attr`, which is what the host says, as the stored text has it.
void ApplyOverlay(std::string_view text, Attr* attr);
inline constexpr size_t kMaxOverlayBytes = 128;

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_OVERLAY_H_
