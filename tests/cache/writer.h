// A program that writes to a cache without end, to be killed in the midst of
// it, and the other side of it: what it may have written.

#ifndef WARMFS_TESTS_CACHE_WRITER_H_
#define WARMFS_TESTS_CACHE_WRITER_H_

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "cache/cache.h"

namespace warmfs::cache {

inline constexpr uint64_t kWriterDirs = 5;
inline constexpr uint64_t kWriterFiles = 8;

// The listing that is put for a directory at a step, and its digest.
std::vector<DirEntry> WriterListing(uint64_t dir, uint64_t step);
inline Digest WriterDigest(uint64_t dir, uint64_t step) { return {dir, step}; }
// A file is small or large in turn.
Attr WriterAttr(uint64_t file, uint64_t step);
// The content of a file as of a step.
std::string WriterBytes(uint64_t file, uint64_t step);

// Runs the program; thread-compatible. The destructor kills it.
class Writer {
 public:
  Writer(const std::string& directory, uint64_t first_step);
  ~Writer();
  Writer(const Writer&) = delete;

  // The step that it has finished; nothing once it is gone.
  std::optional<uint64_t> NextLine();
  void Kill();

 private:
  pid_t pid_ = -1;
  std::FILE* out_ = nullptr;
};

}  // namespace warmfs::cache

#endif  // WARMFS_TESTS_CACHE_WRITER_H_
