// A directory to try the benchmark on: a source tree in looks, the same each
// time for the same number of files. A git work tree, if git is installed.
// Stateless.

#ifndef WARMFS_BENCH_EXAMPLE_TREE_H_
#define WARMFS_BENCH_EXAMPLE_TREE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace warmfs::bench {

inline constexpr uint64_t kFilesPerDirectory = 20;

// Text files of 0 to 64 KiB, most of them small, kFilesPerDirectory in each
// directory. `directory` must not exist.
absl::Status MakeExampleTree(const std::string& directory, uint64_t files);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_EXAMPLE_TREE_H_
