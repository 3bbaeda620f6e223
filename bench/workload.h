// The operations that are timed, each on a root: the benchmarked directory
// itself, or a mount of it. Nothing is changed outside of the scratch
// directory.
//
// An operation that changes something works in a directory of its own each time
// (a round), so that no system sees another one's leftovers.
//
// Owned by one thread.

#ifndef WARMFS_BENCH_WORKLOAD_H_
#define WARMFS_BENCH_WORKLOAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/results.h"
#include "bench/survey.h"

namespace warmfs::bench {

struct WorkloadOptions {
  std::string directory;
  std::string work_directory;
  bool scratch = false;  // there is a scratch directory
  uint64_t large_bytes = uint64_t{256} << 20;
  uint64_t random_reads = 2000;
  uint64_t files = 500;
};

struct Timed {
  int64_t nanos = 0;
  // What was seen or done; equal for every system, or one of them is wrong.
  uint64_t outcome = 0;
};

class Workload {
 public:
  // Surveys the directory, and makes the large file if none is large enough.
  static absl::StatusOr<Workload> Make(WorkloadOptions options);

  const WorkloadOptions& options() const { return options_; }
  const Survey& survey() const { return survey_; }

  // Why an operation cannot be done here; empty if it can.
  std::string Obstacle(Op op) const;

  // Gets ready through `root`, not timed. The result is for one Run.
  absl::StatusOr<std::string> Prepare(Op op, const std::string& root);
  // `view` names who keeps a git index: "native", or a system's name.
  absl::StatusOr<Timed> Run(Op op, const std::string& root,
                            const std::string& view, const std::string& round);
  // A view sees files for the first time: it starts with the directory's index.
  absl::Status ResetView(const std::string& view);

 private:
  explicit Workload(WorkloadOptions options) : options_(std::move(options)) {}
  absl::Status ChooseLargeFile();
  void FindGit();
  std::string IndexOf(const std::string& view) const;
  absl::StatusOr<uint64_t> Do(Op op, const std::string& root,
                              const std::string& view,
                              const std::string& round) const;
  absl::StatusOr<uint64_t> GitStatus(const std::string& root,
                                     const std::string& view) const;

  WorkloadOptions options_;
  Survey survey_;
  std::string large_file_;  // relative to the root; empty if there is none
  uint64_t large_bytes_ = 0;
  std::string git_index_;  // of the directory; empty if it is no work tree
  std::string git_obstacle_;
  int rounds_ = 0;
};

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_WORKLOAD_H_
