// Decides which files to fetch along with one that was missing.
//
// Programs that read many small files of a directory (a search, an archiver, a
// module loader) miss on one after the other. From the second miss in a
// directory within a short time on, the files that follow in the directory's
// order are worth fetching in the same round trip; twice as many each time, up
// to a bound. A directory where that stops starts small again.
//
// Also tells sequential readers of large files, who get whole windows.
//
// Thread-safe. Bounded: remembers the most recent kRemembered of each.

#ifndef WARMFS_FUSE_PREFETCH_H_
#define WARMFS_FUSE_PREFETCH_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "fuse/clock.h"
#include "schema/types.h"

namespace warmfs::fuse {

class Prefetch {
 public:
  static constexpr size_t kRemembered = 256;
  static constexpr int kMostFiles = 128;
  static constexpr Instant kWithin = 2'000'000'000;
  // A file up to this many bytes is fetched whole on its first miss, and may be
  // fetched ahead.
  static constexpr uint64_t kWholeBytes = 1024 * 1024;
  static constexpr uint64_t kAheadBytes = 64 * 1024;
  static constexpr uint64_t kWindowBlocks = 8;

  // A file in `dir` was missing now: how many more to fetch with it.
  int FilesAhead(const FileId& dir, Instant now);

  // Blocks first..last of a large file are missing: what to fetch, [first, last].
  // A reader that is near where it last was gets whole windows of kWindowBlocks,
  // in whatever order its reads arrive (the kernel reads ahead from several
  // threads at once).
  struct Span {
    uint64_t first = 0;
    uint64_t last = 0;
  };
  Span Blocks(const FileId& file, uint64_t first, uint64_t last);

 private:
  struct Streak {
    Instant last_miss = 0;
    int files = 0;
  };
  absl::Mutex mu_;
  absl::flat_hash_map<FileId, Streak> streaks_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<FileId, uint64_t> last_window_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_PREFETCH_H_
