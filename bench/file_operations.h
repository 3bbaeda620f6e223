// The timed loops over files. Each returns a figure of what it saw, which must
// be the same on every system. Cancelled upon an interrupt. Stateless.

#ifndef WARMFS_BENCH_FILE_OPERATIONS_H_
#define WARMFS_BENCH_FILE_OPERATIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace warmfs::bench {

// Paths are relative to `root`. Sums up sizes.
absl::StatusOr<uint64_t> StatAll(const std::string& root,
                                 const std::vector<std::string>& paths);
// Opens, reads and closes each. Sums up lengths and first bytes.
absl::StatusOr<uint64_t> ReadAll(const std::string& root,
                                 const std::vector<std::string>& paths);
// From the beginning to the end, 128 KiB at a time.
absl::StatusOr<uint64_t> ReadSequentially(const std::string& path);
// Blocks of 4 KiB; which ones, is the same each time.
absl::StatusOr<uint64_t> ReadAtRandom(const std::string& path, uint64_t bytes,
                                      uint64_t reads);
// These three: PermissionDenied on a file system that is read only.
absl::Status MakeDirectory(const std::string& path);
// Files of 1 KiB that were not there before.
absl::StatusOr<uint64_t> CreateFiles(const std::string& directory,
                                     uint64_t files);
absl::StatusOr<uint64_t> DeleteFiles(const std::string& directory,
                                     uint64_t files);

// A file that does not compress, the same each time.
absl::Status WriteLargeFile(const std::string& path, uint64_t bytes);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_FILE_OPERATIONS_H_
