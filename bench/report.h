// What a benchmark has to say, in three forms: a table for a terminal, JSON
// with every sample, and a chart. Pure functions.

#ifndef WARMFS_BENCH_REPORT_H_
#define WARMFS_BENCH_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>

#include "bench/machine.h"
#include "bench/results.h"

namespace warmfs::bench {

struct Report {
  std::string started;  // RFC 3339
  Machine machine;
  std::string directory;
  std::string directory_kind;  // of file system
  std::string cache_kind;
  std::string mount_options;
  double ttl_s = 0;
  int runs = 0;
  bool caches_dropped = false;
  uint64_t files = 0;
  uint64_t directories = 0;
  uint64_t bytes = 0;
  uint64_t unreadable = 0;
  uint64_t large_bytes = 0;
  uint64_t random_reads = 0;
  uint64_t small_files = 0;
  uint64_t edits = 0;
  Results results;
};

// The series of an operation in the order in which they are shown: native
// first, then by system and state.
std::vector<const Series*> SeriesOf(const Report& report, Op op);

std::string FormatText(const Report& report);
nlohmann::json FormatJson(const Report& report);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_REPORT_H_
