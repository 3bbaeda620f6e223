// Decides how many files are worth reading ahead of a reader.
//
// Programs that read many small files of a directory (a search, an archiver, a
// module loader) ask for one after the other. From the second file of a
// directory within a short time on, those that follow in the directory's order
// are worth having before they are asked for; twice as many each time, up to a
// bound. A directory where that stops starts small again. Who has read on in
// one directory and comes to the next one is expected to read on there, too; if
// he does not, the one after that starts small. Most of what he reads is never
// seen here, since the kernel has it by then (pusher.h): so who reads what he
// was expected to read goes on as he was, in whatever directory that is.
//
// Also tells sequential readers of large files, who get whole windows.
//
// Thread-safe. Bounded: remembers the most recent kRemembered of each.

#ifndef WARMFS_FUSE_PREFETCH_H_
#define WARMFS_FUSE_PREFETCH_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
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

  // With his own question a reader waits for no more files than these.
  static constexpr int kWithOwn = 8;
  static constexpr size_t kMostExpected = 512;  // and as many before them

  // A file in `dir` is read now, and the kernel did not have it: how many more
  // to have ready.
  int FilesAhead(const FileId& dir, const FileId& file, Instant now);
  // He is expected to come to this one, too.
  void Expect(const FileId& file);

  // Blocks first..last of a large file are missing: what to fetch, [first,
  // last]. A reader that is near where it last was gets whole windows of
  // kWindowBlocks, in whatever order its reads arrive (the kernel reads ahead
  // from several threads at once).
  struct Span {
    uint64_t first = 0;
    uint64_t last = 0;
  };
  Span Blocks(const FileId& file, uint64_t first, uint64_t last);

 private:
  struct Streak {
    Instant last_read = 0;
    int files = 0;
  };
  absl::Mutex mu_;
  // Of the last directory that was read on in, until another one is begun.
  Streak latest_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<FileId, Streak> streaks_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<FileId> expected_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<FileId> expected_before_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<FileId, uint64_t> last_window_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_PREFETCH_H_
