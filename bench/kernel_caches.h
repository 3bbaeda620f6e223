// Makes the kernel forget what it holds of files, where that is allowed.
// Stateless.

#ifndef WARMFS_BENCH_KERNEL_CACHES_H_
#define WARMFS_BENCH_KERNEL_CACHES_H_

#include "absl/status/status.h"

namespace warmfs::bench {

// Whether this process may (root in the machine itself, as a rule).
bool MayDropKernelCaches();

// Pages, directory entries and inodes of all file systems.
absl::Status DropKernelCaches();

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_KERNEL_CACHES_H_
