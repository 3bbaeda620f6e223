// How the new listing of a directory differs from the one that is held: for the
// kernel, which keeps names without a time limit, and for the watchers, when
// the journal could not tell of a stretch of time.
//
// Made before the cache takes the new listing. Of a listing that was not held
// completely only names come out: what may have changed.
// Thread-compatible; used by one thread within one listing.

#ifndef WARMFS_FUSE_LISTING_DIFF_H_
#define WARMFS_FUSE_LISTING_DIFF_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "cache/cache.h"
#include "fuse/injection.h"
#include "fuse/tree.h"
#include "schema/ops.h"

namespace warmfs::fuse {

class ListingDiff {
 public:
  ListingDiff(cache::Cache& cache, const FileId& dir);

  // Some entries of the new listing.
  void Add(absl::Span<const DirEntry> entries);
  // All were added: what is no longer there.
  void Finish();

  // Names that stand for something else now, or for nothing.
  const std::vector<std::string>& names() const { return names_; }
  // What a watcher would have been told, had it all happened just now: names
  // that went, names that moved within the directory, new ones, changed ones.
  std::vector<Injection> Injections(NodeId dir) const;

 private:
  struct Held {
    Attr attr;
    bool seen = false;
  };
  struct Pair {
    std::string name;
    Attr before;
    DirEntry after;
  };

  cache::Cache& cache_;
  bool complete_ = false;  // what is held was all there was
  absl::flat_hash_map<std::string, Held> held_;
  std::vector<std::string> names_;
  std::vector<Pair> removed_;  // `after` is unused
  std::vector<Pair> added_;    // `before` is what was replaced, if anything
  std::vector<Pair> changed_;
};

// A listing that is being taken in.
struct Listing {
  NodeView dir;
  Stamp asked = 0;
  Instant at = 0;
  uint64_t lease = 0;  // the journal's id; 0: none
  uint64_t entries = 0;
  std::optional<ListingDiff> diff;  // if the kernel keeps names of it
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_LISTING_DIFF_H_
