// What warmfs-cache does: sends a request to the cache's owner (the mount that
// has it in use, or an inspector on the database at rest) and prints its
// answer.

#ifndef WARMFS_CLI_CACHE_COMMAND_H_
#define WARMFS_CLI_CACHE_COMMAND_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cache/inspector.h"

namespace warmfs::cli {

// A cache, wherever it is. Thread-compatible.
class CacheTarget {
 public:
  virtual ~CacheTarget() = default;
  virtual absl::Status Ask(const nlohmann::json& request,
                           const cache::Emit& emit) = 0;
};

struct CacheWhere {
  std::string cache_directory;  // --cache; empty: the mount that holds `path`
  std::string path;             // as the user wrote it
};

struct CacheAt {
  std::unique_ptr<CacheTarget> target;
  std::string path;  // relative to the export
};

// NotFound if `path` is in no mount and no cache directory was given.
absl::StatusOr<CacheAt> FindCache(const CacheWhere& where);

// Runs a command of cache/inspector.h, or "warm", and prints; returns the exit
// code. `request` has what the command needs but "path".
int CacheCommand(const CacheWhere& where, nlohmann::json request, bool as_json);

}  // namespace warmfs::cli

#endif  // WARMFS_CLI_CACHE_COMMAND_H_
