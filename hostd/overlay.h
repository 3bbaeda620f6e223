// The overlay of owner and mode: what a chown or chmod of the VM asked for that
// hostd may not do to the host's object. It is stored on the object itself, in
// the extended attribute user.warmfs.attr, with the owner and mode that the
// object really had then. It holds only as long as the object still has those:
// somebody on the host who changes them has the last word.
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
  explicit Overlay(bool enabled) : enabled_(enabled) {}

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
  const bool enabled_;
};

// The stored form, for tests and fuzzing.
std::string EncodeOverlay(const OwnerMode& wanted, const OwnerMode& real);
struct DecodedOverlay {
  OwnerMode wanted;
  OwnerMode real;
};
std::optional<DecodedOverlay> DecodeOverlay(std::string_view text);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_OVERLAY_H_
