// The command line of warmfs-bench.

#ifndef WARMFS_BENCH_BENCH_OPTIONS_H_
#define WARMFS_BENCH_BENCH_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/results.h"

namespace warmfs::bench {

struct BenchOptions {
  std::string directory;    // empty: an example tree
  std::string host;         // what a source begins with, before the directory
  uint64_t tree_files = 0;  // of the example tree
  int runs = 5;
  std::vector<Op> ops;
  std::set<State> states;
  std::string mount_options;
  std::string json_file;
  std::string chart_file;
  bool peers = false;
  bool drop_caches = true;  // if it is allowed
  uint64_t large_bytes = 0;
  uint64_t random_reads = 2000;
  uint64_t files = 500;
  uint64_t edits = 400;
};

// The exit code if there is nothing more to do (help, or a usage error, which
// was printed); otherwise `options` is complete and the directory exists.
std::optional<int> ParseBenchOptions(int argc, char** argv,
                                     BenchOptions& options);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_BENCH_OPTIONS_H_
