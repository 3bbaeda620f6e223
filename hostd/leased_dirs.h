// Which directories of a tree are leased, by id and by path, where one stream
// tells of the whole tree: only what happens in these is told to clients.
// Nothing is held open for them. An open directory would keep its parents from
// being renamed on Windows.
//
// A path here may be behind the truth, or ahead of the stream: a directory has
// been moved, and the stream has not come to that yet. So when it does come to
// a name that goes or changes hands, everything at that path and beneath it is
// dropped, and whoever drops tells the journal (kRevoked). Whatever is added
// under a path that had been left before is dropped too then, for no need.
//
// Bounded by a number. Thread-safe.

#ifndef WARMFS_HOSTD_LEASED_DIRS_H_
#define WARMFS_HOSTD_LEASED_DIRS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "schema/types.h"

namespace warmfs::hostd {

// Of a directory and a name in it, either of which may be empty.
std::string Joined(const std::string& dir, const std::string& name);

class LeasedDirs {
 public:
  explicit LeasedDirs(size_t most) : most_(most) {}

  // False, and counted: there are too many. One that is there already keeps its
  // path: the stream knows of its moves. `evicted`: those whose path it is now,
  // and those beneath, which were dropped.
  bool Add(const FileId& id, const std::string& path,
           std::vector<FileId>* evicted) ABSL_LOCKS_EXCLUDED(mu_);
  // False also if the parent is not leased.
  bool AddChild(const FileId& parent, const std::string& name, const FileId& id,
                std::vector<FileId>* evicted) ABSL_LOCKS_EXCLUDED(mu_);

  bool Has(const FileId& id) const ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<std::string> PathOf(const FileId& id) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // Null if none.
  FileId At(const std::string& path) const ABSL_LOCKS_EXCLUDED(mu_);

  // The change time with which it was last told to clients. False: it is told
  // already.
  bool SetTold(const FileId& id, const Timestamp& ctime)
      ABSL_LOCKS_EXCLUDED(mu_);

  // False: it was not there.
  bool Drop(const FileId& id) ABSL_LOCKS_EXCLUDED(mu_);
  // The one at that path, and those beneath.
  std::vector<FileId> DropAt(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);
  void Clear() ABSL_LOCKS_EXCLUDED(mu_);

  void CountRefused() { ++refused_; }
  uint64_t refused() const { return refused_; }
  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Row {
    std::string path;
    Timestamp told;
  };

  bool AddLocked(const FileId& id, const std::string& path,
                 std::vector<FileId>* evicted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropAtLocked(const std::string& path, std::vector<FileId>* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const size_t most_;
  std::atomic<uint64_t> refused_{0};
  mutable absl::Mutex mu_;
  absl::flat_hash_map<FileId, Row> by_id_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, FileId> by_path_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_LEASED_DIRS_H_
