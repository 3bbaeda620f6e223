// What passes between the parts of FileSystem that fetch content.

#ifndef WARMFS_FUSE_FETCHING_H_
#define WARMFS_FUSE_FETCHING_H_

#include "absl/functional/function_ref.h"
#include "fuse/clock.h"
#include "fuse/recent_blocks.h"
#include "fuse/tree.h"
#include "schema/ops.h"

namespace warmfs::fuse {

// What is asked of one file, and what the cache has of it already.
struct Wanted {
  NodeView file;
  ReadSpec spec;
  Blocks held;  // of another version
};

// A file that somebody will read next, perhaps.
struct Upcoming {
  NodeRef ref;
  Attr attr;
};

// When something was asked of the host, in all of our clocks.
struct Question {
  Stamp asked = 0;
  Instant at = 0;
  uint64_t journal_turns = 0;
};

using Filter = absl::FunctionRef<bool(const FileId&)>;

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_FETCHING_H_
