// The fixture of the contract that a cache on disk and one in memory both keep.

#ifndef WARMFS_TESTS_CACHE_CONTRACT_H_
#define WARMFS_TESTS_CACHE_CONTRACT_H_

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/cache/support.h"

namespace warmfs::cache {

enum class StorageKind { kDisk, kMemory };

class CacheContract : public testing::TestWithParam<StorageKind> {
 protected:
  CacheContract() { cache_ = MustOpen(Options()); }

  bool on_disk() const { return GetParam() == StorageKind::kDisk; }
  CacheOptions Options() const {
    return OptionsFor(on_disk() ? dir_.path() : "");
  }
  // Closes and opens again; in memory there is nothing to open again.
  void Reopen() {
    if (!on_disk()) return;
    cache_.reset();
    cache_ = MustOpen(Options());
  }
  void Close() { cache_.reset(); }
  Cache& cache() { return *cache_; }
  const std::string& directory() const { return dir_.path(); }

 private:
  TempDir dir_;
  std::unique_ptr<Cache> cache_;
};

inline std::string KindName(const testing::TestParamInfo<StorageKind>& info) {
  return info.param == StorageKind::kDisk ? "OnDisk" : "InMemory";
}

}  // namespace warmfs::cache

#endif  // WARMFS_TESTS_CACHE_CONTRACT_H_
