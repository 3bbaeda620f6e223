// The directory that a cache lives in. A file in it says that it is ours; only
// then are database files in it ever removed. Linux and POSIX calls are here.

#ifndef WARMFS_CACHE_DIRECTORY_H_
#define WARMFS_CACHE_DIRECTORY_H_

#include <string>

#include "absl/status/status.h"

namespace warmfs::cache {

// Makes the directory if missing and claims it, unless it is ours already.
// FailedPrecondition if it holds anything that is not ours; the text is for a
// person.
absl::Status ClaimDirectory(const std::string& directory);

bool IsClaimed(const std::string& directory);

// Whether there is a database (RocksDB's CURRENT).
bool HoldsDatabase(const std::string& directory);

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_DIRECTORY_H_
