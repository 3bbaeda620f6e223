// What the cache's tests share: plain values, and short forms of usual calls.

#ifndef WARMFS_TESTS_CACHE_SUPPORT_H_
#define WARMFS_TESTS_CACHE_SUPPORT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache.h"
#include "tests/support/temp_dir.h"

namespace warmfs::cache {

inline constexpr FileId kRoot = {1, 1};

CacheOptions OptionsFor(const std::string& directory);
// Fails the test's process when it cannot be opened.
std::unique_ptr<Cache> MustOpen(CacheOptions options);

Attr FileAttr(uint64_t number, uint64_t size = 0, uint64_t generation = 1);
Attr DirAttr(uint64_t number, uint64_t generation = 1);
Attr LinkAttr(uint64_t number);
// Of a file that is large enough to have a content file.
Attr LargeAttr(uint64_t number, uint64_t generation = 1);
DirEntry FileEntry(std::string_view name, uint64_t number);

// `bytes` bytes that depend on both numbers.
std::string Bytes(size_t bytes, uint64_t seed, uint64_t generation = 1);
void PutBlock(Cache& cache, const Attr& attr, uint64_t index,
              std::string_view bytes);

// Names, as ReadDir gives them; {"<incomplete>"} if the listing is not
// complete.
std::vector<std::string> Names(Cache& cache, const FileId& dir,
                               uint64_t after = 0);
std::vector<std::string> Sorted(std::vector<std::string> names);

// The lines that Verify has to say.
std::vector<std::string> Faults(Cache& cache);

// Where the bytes of a large file are in a cache's directory.
std::string ContentPath(const std::string& directory, const Attr& attr);
// Files in `directory` whose names end so, with their paths.
std::vector<std::string> FilesEndingIn(const std::string& directory,
                                       std::string_view suffix);
// Inverts the bytes of a file from `offset` on, at most `count`.
void FlipBytes(const std::string& path, uint64_t offset, uint64_t count);

}  // namespace warmfs::cache

#endif  // WARMFS_TESTS_CACHE_SUPPORT_H_
