// Looks into a cache for a person: the commands of warmfs-cache, on a cache at
// rest as well as (through the mount's control socket) on one in use.
//
// A request is a JSON object with "command" and its arguments; the answer is a
// sequence of JSON objects, given to `emit` one by one, of which the last has
// "done": true or "error": TEXT. Paths are relative to the export. Nothing here
// asks the host: what is not in the cache is said not to be.
//
// Thread-safe, as the cache is.

#ifndef WARMFS_CACHE_INSPECTOR_H_
#define WARMFS_CACHE_INSPECTOR_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "cache/cache.h"

namespace warmfs::cache {

using Emit = std::function<void(const nlohmann::json&)>;

class Inspector {
 public:
  explicit Inspector(Cache& cache) : cache_(cache) {}

  // Commands: ls, stat, cat, du (each with "path"), info, verify, evict (with
  // "bytes", or "path"), clear.
  void Execute(const nlohmann::json& request, const Emit& emit);

 private:
  std::optional<FileId> Resolve(std::string_view path);
  void List(const FileId& id, const Emit& emit);
  void Stat(const FileId& id, const Emit& emit);
  void Cat(const FileId& id, const Emit& emit);
  void DiskUsage(const FileId& id, const std::string& path, const Emit& emit);
  void Info(const Emit& emit);
  void Verify(const Emit& emit);
  void Evict(const nlohmann::json& request, const Emit& emit);

  struct Sum {
    uint64_t files = 0;
    uint64_t directories = 0;
    uint64_t content_bytes = 0;
    uint64_t size_bytes = 0;
  };
  // Adds up the subtree; `evict`: removes its content on the way.
  void Walk(const FileId& id, bool evict, Sum& sum);

  Cache& cache_;
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_INSPECTOR_H_
