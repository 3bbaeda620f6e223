// What is in the benchmarked directory: found once, natively, so that every
// system is asked for the same. Leaves out the scratch directory at the root.

#ifndef WARMFS_BENCH_SURVEY_H_
#define WARMFS_BENCH_SURVEY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace warmfs::bench {

struct Survey {
  std::vector<std::string> paths;  // of everything, relative to the root
  std::vector<std::string> files;  // the regular files that can be read
  uint64_t directories = 0;
  uint64_t unreadable = 0;
  uint64_t bytes = 0;
  std::string largest;  // the largest of `files`
  uint64_t largest_bytes = 0;
};

// Gives each entry below `root` (its path from there, and its d_type) to
// `visit`; a directory before what is in it. Cancelled upon an interrupt.
absl::Status Walk(const std::string& root,
                  const std::function<void(const std::string& path,
                                           unsigned char type)>& visit);

absl::StatusOr<Survey> TakeSurvey(const std::string& root);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_SURVEY_H_
