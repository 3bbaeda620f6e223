// The order in which everything is measured.
//
// For each run, operation and system: native, then cold; native, then
// remounted; kernel-warm, then native. So each time has a native one beside it,
// and what slows the machine down for a while slows both. Between an
// operation's states the system is remounted; between operations it starts
// anew.
//
// Native is measured warm: the files are in the kernel's page cache (and so
// they are for the host daemon, which reads them there). Before cold and
// remounted it is measured once more with the kernel's caches dropped, if that
// is allowed.
//
// Owned by one thread.

#ifndef WARMFS_BENCH_RUNNER_H_
#define WARMFS_BENCH_RUNNER_H_

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/results.h"
#include "bench/system.h"
#include "bench/workload.h"

namespace warmfs::bench {

struct RunnerOptions {
  int runs = 5;
  std::vector<Op> ops;
  std::set<State> states;
  bool drop_caches = false;
  // Told what is measured now.
  std::function<void(const std::string&)> progress;
};

class Runner {
 public:
  Runner(RunnerOptions options, Workload& workload)
      : options_(std::move(options)), workload_(workload) {}

  // What goes wrong is in `results`, with what could be measured nevertheless.
  // Cancelled upon an interrupt.
  absl::Status Run(const std::vector<std::unique_ptr<System>>& systems,
                   Results& results);

 private:
  // Where an error belongs to.
  struct Cell {
    int run;
    Op op;
    System* system;
    State state;
  };
  struct Measured {
    Timed timed;
    std::optional<Counts> counts;
  };

  // Every operation once natively: those that cannot be done are left out.
  absl::StatusOr<std::vector<Op>> WarmUp(Results& results);
  // One operation through all states of one system. Leaves it mounted.
  absl::Status Cycle(Cell& cell, Results& results);
  absl::Status Cold(Cell& cell, Results& results);
  absl::Status Remounted(Cell& cell, Results& results);
  absl::Status Warm(Cell& cell, Results& results);

  absl::StatusOr<Timed> Native(Op op);
  // After one with the kernel's caches dropped, if wanted.
  absl::StatusOr<Timed> NativeTwice(const Cell& cell, Results& results);
  absl::StatusOr<Measured> Mounted(const Cell& cell, const std::string& round);
  absl::Status Record(const Cell& cell, const Measured& measured,
                      const Timed& native, Results& results);
  void Blame(const Cell& cell, const absl::Status& error, Results& results);
  void Begin(Cell& cell, State state);
  bool Wants(State state) const { return options_.states.contains(state); }

  const RunnerOptions options_;
  Workload& workload_;
};

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_RUNNER_H_
