// How RocksDB is set up for this cache: within about 64 MiB of memory however
// many files it knows, quick for single keys, and never making a caller wait.

#ifndef WARMFS_CACHE_TUNING_H_
#define WARMFS_CACHE_TUNING_H_

#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace warmfs::cache {

struct Tuning {
  rocksdb::DBOptions db;
  // One for each row of kKeySpaces, in order.
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
};

// `create`: make what is missing. `env` null: the system's own disk.
Tuning MakeTuning(bool create, rocksdb::Env* env);

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_TUNING_H_
