// Decides which directories to list along with one that is asked for.
//
// Concept. Who lists one directory after the other (a walk, in whatever order)
// will list those that he has been told of by the listings so far. From the
// third listing on that nobody had foreseen, some of these are asked for in the
// same message; twice as many each time, as long as at least half of those of
// the time before were wanted. Otherwise it begins anew. What is wasted is one
// batch, and the host is asked for no directory twice.
//
// Thread-safe. Bounded: remembers kMostKnown directories to come, and of one
// batch who was wanted.

#ifndef WARMFS_FUSE_SCOUT_H_
#define WARMFS_FUSE_SCOUT_H_

#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "fuse/clock.h"
#include "schema/ops.h"

namespace warmfs::fuse {

class Scout {
 public:
  static constexpr size_t kMostKnown = 4096;
  static constexpr int kMostAhead = 128;
  static constexpr Instant kWithin = 2'000'000'000;

  // `dir` is listed now, since somebody wants it: what else to list.
  std::vector<NodeRef> Ahead(const NodeRef& dir, Instant now);
  // What became of those: listed, or left off and still to come.
  void Came(const FileId& dir);
  void LeftOff(NodeRef dir);
  // What there is in a directory that was listed for somebody, or ahead.
  void Listed(const std::string& path, absl::Span<const DirEntry> entries);
  // Somebody wants what came ahead.
  void Wanted(const FileId& dir);

 private:
  absl::Mutex mu_;
  Instant last_ ABSL_GUARDED_BY(mu_) = 0;
  int unforeseen_ ABSL_GUARDED_BY(mu_) = 0;  // one soon after the other
  int most_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<NodeRef> known_ ABSL_GUARDED_BY(mu_);  // and not yet listed
  // Of the last batch, those that nobody wanted yet, and how many came.
  absl::flat_hash_set<FileId> batch_ ABSL_GUARDED_BY(mu_);
  size_t batch_size_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_SCOUT_H_
