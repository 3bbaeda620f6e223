// What a mount is made from. A value.

#ifndef WARMFS_FUSE_OPTIONS_H_
#define WARMFS_FUSE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "rpc/remote.h"

namespace warmfs::fuse {

struct MountOptions {
  rpc::RemoteOptions remote;
  std::string mountpoint;
  // Where the cache is; empty: in memory, for this mount only.
  std::string cache_directory;
  uint64_t cache_bytes = uint64_t{10} << 30;
  // Follow the host's journal, if it has one.
  bool leases = true;
  // How long what the host said is believed without a lease.
  absl::Duration ttl = absl::Seconds(1);
  bool read_only = false;
  bool allow_other = false;
  // Forward flock and fcntl locks to the host, instead of keeping them in this
  // kernel. Costs the zero-message path: opens and closes are requests then.
  bool host_locks = false;
  // Who the host's user is seen as.
  uint32_t uid = 0;
  uint32_t gid = 0;
  int workers = 8;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_OPTIONS_H_
