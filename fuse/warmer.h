// Fetches subtrees into the cache ahead of their use: listings, and the content
// of files. Stateless; runs on the calling thread with its channel.

#ifndef WARMFS_FUSE_WARMER_H_
#define WARMFS_FUSE_WARMER_H_

#include <cstdint>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "fuse/file_system.h"
#include "rpc/channel.h"

namespace warmfs::fuse {

struct WarmProgress {
  uint64_t directories = 0;
  uint64_t files = 0;          // looked at
  uint64_t bytes = 0;          // sizes of these files
  uint64_t bytes_fetched = 0;  // what was not in the cache yet
  uint64_t errors = 0;         // files that could not be fetched
};

// Everything at and beneath `path` (relative to the export; empty for all).
// `report` is called for each directory and file; false from it stops. NotFound
// if the path does not exist.
absl::Status Warm(FileSystem& fs, rpc::Channel& host, std::string_view path,
                  const std::function<bool(const WarmProgress&)>& report);

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_WARMER_H_
