// Finds the database for a mount or a tool: makes it, refuses it, wipes it, or
// goes without. All the policy of cache.h about storage that is not as it
// should be at open is here.

#ifndef WARMFS_CACHE_OPENING_H_
#define WARMFS_CACHE_OPENING_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cache/cache.h"
#include "cache/content_files.h"
#include "cache/database.h"

namespace warmfs::cache {

struct OpenedDatabase {
  std::unique_ptr<Database> database;
  std::unique_ptr<ContentFiles> files;  // none in memory
  CacheOptions options;                 // as recorded in the database
  std::string why_memory;               // for a person; empty if on disk
};

// See Cache::Open for the errors.
absl::StatusOr<OpenedDatabase> OpenDatabase(CacheOptions options);

// An empty database in memory.
absl::StatusOr<std::unique_ptr<Database>> OpenMemoryDatabase();

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_OPENING_H_
