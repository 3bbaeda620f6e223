// What a benchmark measured: a series for each operation, system and state.
// Values.

#ifndef WARMFS_BENCH_RESULTS_H_
#define WARMFS_BENCH_RESULTS_H_

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/statistics.h"

namespace warmfs::bench {

enum class Op {
  kWalk,
  kStat,
  kRead,
  kSequential,
  kRandom,
  kCreate,
  kDelete,
  kGitStatus,
  kEdit,  // of no series: see EditSeries
};

enum class State {
  kDropped,    // native only: the kernel's caches were dropped before
  kCold,       // nothing cached, a mount that was just made
  kRemounted,  // the cache kept, the kernel holds nothing
  kWarm,       // the same once more
};

struct Named {
  const char* name;
  const char* help;
};
const std::vector<std::pair<Op, Named>>& Ops();
const std::vector<std::pair<State, Named>>& States();
const char* Name(Op op);
const char* Name(State state);

// Messages that an operation cost: from the kernel to the client, and from the
// client to the host.
struct Counts {
  uint64_t requests = 0;
  uint64_t rpcs = 0;
  std::map<std::string, uint64_t> requests_by_kind;
  std::map<std::string, uint64_t> rpcs_by_method;
};

// The counters of the mount at `mountpoint` in what `warmfs status --json`
// printed.
absl::StatusOr<Counts> ParseCounts(const nlohmann::json& status,
                                   const std::string& mountpoint);
Counts operator-(const Counts& after, const Counts& before);

struct Sample {
  int run = 0;
  double seconds = 0;
  double native_seconds = 0;
  std::optional<Counts> counts;
};

struct Series {
  Op op;
  std::string system;  // "native", "warmfs", or a peer's name
  State state;
  std::vector<Sample> samples;
  std::string missing;  // why there are no samples, or no more

  double MedianSeconds() const;
  Ratio ToNative() const;
  // Medians over the runs; none if the system does not count.
  std::optional<double> MedianRequests() const;
  std::optional<double> MedianRpcs() const;
  // Of the run whose number of RPCs is the median: its most frequent methods.
  std::map<std::string, uint64_t> TypicalMethods() const;
};

// How long edits took to be seen (edit_latency.h).
struct EditSeries {
  std::string system;  // "native", or that of the mount
  std::vector<double> visible_s;
  std::vector<double> event_s;
  uint64_t too_early = 0;  // events before what they tell of could be read
};

struct Results {
  std::vector<Series> series;  // in the order of their first measurement
  std::vector<EditSeries> edits;
  std::vector<std::pair<Op, std::string>> left_out;  // and why
  std::vector<std::string> notes;
  int failures = 0;  // operations that went wrong, not those left out

  Series& Of(Op op, const std::string& system, State state);
  // All native times of an operation, whatever they were paired with.
  double NativeSeconds(Op op) const;
};

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_RESULTS_H_
