// What a benchmark leaves on disk while it runs, and the promise that nothing
// of it stays: a directory for mountpoints, caches and indexes, and a scratch
// directory in the benchmarked directory.
//
// A process of its own, the janitor, waits until the benchmark ends, however it
// ends (killed, too); then it unmounts what is mounted in the first directory
// and removes both. The destructor makes that happen and waits for it.
//
// Owned by one thread. Make it before any other thread is started.

#ifndef WARMFS_BENCH_WORKSPACE_H_
#define WARMFS_BENCH_WORKSPACE_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "schema/unique_fd.h"

namespace warmfs::bench {

inline constexpr char kScratchName[] = ".warmfs-bench-scratch";

class Workspace {
 public:
  // In $TMPDIR, or in /var/tmp, which is on a disk where /tmp is not.
  static absl::StatusOr<std::unique_ptr<Workspace>> Make();
  ~Workspace();

  const std::string& directory() const { return directory_; }

  // Makes the scratch directory in `source`. FailedPrecondition if there is one
  // (it is somebody's); PermissionDenied if `source` is not writable.
  absl::Status MakeScratch(const std::string& source);

 private:
  Workspace() = default;
  absl::Status StartJanitor();
  void Tell(const std::string& directory);

  std::string directory_;
  pid_t janitor_ = -1;
  UniqueFd to_janitor_;
};

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_WORKSPACE_H_
