#include "bench/runner.h"

#include <fmt/format.h>

#include "bench/interrupt.h"
#include "bench/kernel_caches.h"

namespace warmfs::bench {
namespace {

constexpr char kNative[] = "native";

double Seconds(const Timed& timed) { return timed.nanos * 1e-9; }

}  // namespace

absl::Status Runner::Run(const std::vector<std::unique_ptr<System>>& systems,
                         Results& results) {
  auto ops = WarmUp(results);
  if (!ops.ok()) return ops.status();
  std::set<std::pair<Op, System*>> broken;
  for (int run = 1; run <= options_.runs; ++run) {
    for (const Op op : *ops) {
      for (const auto& system : systems) {
        if (broken.contains({op, system.get()})) continue;
        Cell cell{run, op, system.get(), State::kCold};
        absl::Status status = Cycle(cell, results);
        status.Update(system->Unmount());
        if (Interrupted()) return absl::CancelledError("interrupted");
        if (status.ok()) continue;
        Blame(cell, status, results);
        broken.insert({op, system.get()});
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Op>> Runner::WarmUp(Results& results) {
  absl::Status reset = workload_.ResetView(kNative);
  if (!reset.ok()) return reset;
  std::vector<Op> ops;
  for (const Op op : options_.ops) {
    std::string obstacle = workload_.Obstacle(op);
    if (obstacle.empty()) {
      const absl::Status status = Native(op).status();
      if (absl::IsCancelled(status)) return status;
      obstacle = std::string(status.message());
    }
    if (obstacle.empty()) {
      ops.push_back(op);
    } else {
      results.left_out.emplace_back(op, obstacle);
    }
  }
  return ops;
}

absl::Status Runner::Cycle(Cell& cell, Results& results) {
  absl::Status status = Cold(cell, results);
  if (status.ok() && Wants(State::kRemounted) && cell.system->keeps_cache()) {
    status = Remounted(cell, results);
  }
  if (status.ok() && Wants(State::kWarm)) status = Warm(cell, results);
  return status;
}

// Done also if it is not wanted, for it fills the caches.
absl::Status Runner::Cold(Cell& cell, Results& results) {
  Begin(cell, State::kCold);
  absl::StatusOr<Timed> native;
  if (Wants(State::kCold)) {
    native = NativeTwice(cell, results);
    if (!native.ok()) return native.status();
  }
  // Through the directory: the mount must see it for the first time.
  auto round = workload_.Prepare(cell.op, workload_.options().directory);
  if (!round.ok()) return round.status();
  absl::Status status = workload_.ResetView(cell.system->name());
  if (status.ok()) status = cell.system->MountFresh();
  if (!status.ok()) return status;
  auto measured = Mounted(cell, *round);
  if (!measured.ok()) return measured.status();
  if (!Wants(State::kCold)) return absl::OkStatus();
  return Record(cell, *measured, *native, results);
}

absl::Status Runner::Remounted(Cell& cell, Results& results) {
  Begin(cell, State::kRemounted);
  absl::Status status = cell.system->Unmount();
  if (!status.ok()) return status;
  // Drops what the kernel holds of the cache's database, too.
  auto native = NativeTwice(cell, results);
  if (!native.ok()) return native.status();
  status = cell.system->MountAgain();
  if (!status.ok()) return status;
  // Through the mount, so that its cache knows it; after the drop, or the
  // host's disk would be measured.
  auto round = workload_.Prepare(cell.op, cell.system->mountpoint());
  if (!round.ok()) return round.status();
  if (!round->empty()) {
    status = cell.system->Unmount();
    if (status.ok()) status = cell.system->MountAgain();
    if (!status.ok()) return status;
  }
  auto measured = Mounted(cell, *round);
  if (!measured.ok()) return measured.status();
  return Record(cell, *measured, *native, results);
}

// What the kernel holds by now was touched once, and the native files often:
// the first pair is for the pages to become as active as those, and is not
// counted.
absl::Status Runner::Warm(Cell& cell, Results& results) {
  constexpr int kPairs = 3;
  Begin(cell, State::kWarm);
  for (int pair = 0; pair <= kPairs; ++pair) {
    auto round = workload_.Prepare(cell.op, cell.system->mountpoint());
    if (!round.ok()) return round.status();
    auto measured = Mounted(cell, *round);
    if (!measured.ok()) return measured.status();
    auto native = Native(cell.op);
    if (!native.ok()) return native.status();
    if (pair == 0) continue;
    absl::Status status = Record(cell, *measured, *native, results);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Timed> Runner::Native(Op op) {
  const std::string& directory = workload_.options().directory;
  auto round = workload_.Prepare(op, directory);
  if (!round.ok()) return round.status();
  return workload_.Run(op, directory, kNative, *round);
}

absl::StatusOr<Timed> Runner::NativeTwice(const Cell& cell, Results& results) {
  if (!options_.drop_caches) return Native(cell.op);
  const std::string& directory = workload_.options().directory;
  auto round = workload_.Prepare(cell.op, directory);
  if (!round.ok()) return round.status();
  absl::Status status = DropKernelCaches();
  if (!status.ok()) return status;
  auto dropped = workload_.Run(cell.op, directory, kNative, *round);
  if (!dropped.ok()) return dropped.status();
  auto native = Native(cell.op);
  if (!native.ok()) return native.status();
  results.Of(cell.op, kNative, State::kDropped)
      .samples.push_back({.run = cell.run,
                          .seconds = Seconds(*dropped),
                          .native_seconds = Seconds(*native)});
  return native;
}

absl::StatusOr<Runner::Measured> Runner::Mounted(const Cell& cell,
                                                 const std::string& round) {
  System& system = *cell.system;
  auto before = system.Count();
  if (!before.ok()) return before.status();
  auto timed =
      workload_.Run(cell.op, system.mountpoint(), system.name(), round);
  if (!timed.ok()) return timed.status();
  auto after = system.Count();
  if (!after.ok()) return after.status();
  Measured measured{.timed = *timed};
  if (*before && *after) measured.counts = **after - **before;
  return measured;
}

absl::Status Runner::Record(const Cell& cell, const Measured& measured,
                            const Timed& native, Results& results) {
  if (measured.timed.outcome != native.outcome) {
    return absl::DataLossError(fmt::format(
        "it saw something else than is there (checksum {} instead of {}); or "
        "was the directory changed meanwhile?",
        measured.timed.outcome, native.outcome));
  }
  results.Of(cell.op, cell.system->name(), cell.state)
      .samples.push_back({.run = cell.run,
                          .seconds = Seconds(measured.timed),
                          .native_seconds = Seconds(native),
                          .counts = measured.counts});
  return absl::OkStatus();
}

void Runner::Blame(const Cell& cell, const absl::Status& error,
                   Results& results) {
  // That a mount is read only is no fault.
  const bool changes = cell.op == Op::kCreate || cell.op == Op::kDelete;
  if (!changes || !absl::IsPermissionDenied(error)) ++results.failures;
  results.Of(cell.op, cell.system->name(), cell.state).missing =
      std::string(error.message());
}

void Runner::Begin(Cell& cell, State state) {
  cell.state = state;
  options_.progress(fmt::format("run {} of {}: {}, {} {}", cell.run,
                                options_.runs, Name(cell.op),
                                cell.system->name(), Name(state)));
}

}  // namespace warmfs::bench
