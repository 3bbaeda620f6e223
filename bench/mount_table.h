// Mounts beneath a directory, of whatever kind, and how to be rid of them.
// Stateless.

#ifndef WARMFS_BENCH_MOUNT_TABLE_H_
#define WARMFS_BENCH_MOUNT_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace warmfs::bench {

// In the order in which they were made.
std::vector<std::string> MountsBeneath(const std::string& directory);

// Lazy: also if it is in use, and without waiting for what serves it.
absl::Status Detach(const std::string& mountpoint, bool lazy);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_MOUNT_TABLE_H_
