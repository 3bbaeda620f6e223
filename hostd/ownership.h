// Changes of owner and mode, on the host's object where hostd may, in the
// overlay where it may not (hostd/overlay.h).

#ifndef WARMFS_HOSTD_OWNERSHIP_H_
#define WARMFS_HOSTD_OWNERSHIP_H_

#include <cstdint>
#include <optional>

#include "hostd/tree.h"

namespace warmfs::hostd {

struct OwnershipRequest {
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint32_t> mode;  // permission bits, setuid, setgid, sticky

  bool Empty() const { return !uid && !gid && !mode; }
};

// `fd`: any descriptor of the object. An errno, 0 on success.
int ChangeOwnership(const AttrReader& attrs, int fd,
                    const OwnershipRequest& request);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_OWNERSHIP_H_
