// warmfs-bench: what a directory costs through warmfs, against native.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/bench_options.h"
#include "bench/chart.h"
#include "bench/edit_latency.h"
#include "bench/example_tree.h"
#include "bench/file_operations.h"
#include "bench/interrupt.h"
#include "bench/kernel_caches.h"
#include "bench/machine.h"
#include "bench/peer_system.h"
#include "bench/report.h"
#include "bench/runner.h"
#include "bench/warmfs_system.h"
#include "bench/workload.h"
#include "bench/workspace.h"
#include "cli/common.h"

namespace warmfs::bench {
namespace {

constexpr char kProgram[] = "warmfs-bench";

// One line that is written over, on a terminal only.
void Progress(const std::string& text) {
  if (!isatty(STDERR_FILENO)) return;
  fmt::print(stderr, "\r\033[K{}", text);
  fflush(stderr);
}

absl::StatusOr<std::string> FindWarmfs() {
  char self[4096];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
  std::string path(self, n > 0 ? n : 0);
  path.resize(path.rfind('/') + 1);
  path += "warmfs";
  if (access(path.c_str(), X_OK) == 0) return path;
  return absl::UnavailableError(path + " is not there: build or install it");
}

// Before hours are spent on what cannot be written.
absl::Status CheckWritable(const std::string& path) {
  if (path.empty() || std::ofstream(path, std::ios::app)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(path + " cannot be written");
}

absl::Status Write(const std::string& path, const std::string& text) {
  if (path.empty()) return absl::OkStatus();
  std::ofstream out(path, std::ios::trunc);
  if (out << text << std::flush) return absl::OkStatus();
  return absl::FailedPreconditionError(path + " could not be written");
}

// The directory to measure; makes it if it is an example.
absl::StatusOr<std::string> Directory(const BenchOptions& o,
                                      Workspace& workspace) {
  if (o.directory.empty()) {
    Progress("making the example tree");
    const std::string directory = workspace.directory() + "/example";
    absl::Status status = MakeExampleTree(directory, o.tree_files);
    if (!status.ok()) return status;
    return directory;
  }
  if ((workspace.directory() + "/").starts_with(o.directory + "/") ||
      o.directory == "/") {
    return absl::InvalidArgumentError(fmt::format(
        "mountpoint and cache would be inside {}; set TMPDIR to another place",
        o.directory));
  }
  return o.directory;
}

bool ChangesSomething(const BenchOptions& o) {
  for (const Op op : o.ops) {
    if (op == Op::kCreate || op == Op::kDelete || op == Op::kSequential ||
        op == Op::kRandom || op == Op::kEdit) {
      return true;
    }
  }
  return false;
}

absl::StatusOr<Workload> MakeWorkload(const BenchOptions& o,
                                      const std::string& directory,
                                      Workspace& workspace) {
  WorkloadOptions options{.directory = directory,
                          .work_directory = workspace.directory(),
                          .large_bytes = o.large_bytes,
                          .random_reads = o.random_reads,
                          .files = o.files};
  if (ChangesSomething(o)) {
    absl::Status made = workspace.MakeScratch(directory);
    if (!made.ok() && !absl::IsPermissionDenied(made)) return made;
    options.scratch = made.ok();
  }
  Progress("looking at what is there");
  return Workload::Make(std::move(options));
}

// A peer that cannot mount is left out.
void AddPeers(const std::string& directory, const Workspace& workspace,
              std::vector<std::unique_ptr<System>>& systems,
              std::vector<std::string>& notes) {
  for (auto& peer : FindPeers(directory, workspace.directory(), notes)) {
    absl::Status status = peer->MountFresh();
    status.Update(peer->Unmount());
    if (status.ok()) {
      systems.push_back(std::move(peer));
    } else {
      notes.push_back(fmt::format("{} is left out: {}", peer->name(),
                                  std::string(status.message())));
    }
  }
}

void Describe(const BenchOptions& o, const std::string& directory,
              const Workspace& workspace, const Workload& workload,
              Report& report) {
  const Survey& survey = workload.survey();
  report.started =
      absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone());
  report.machine = ThisMachine();
  report.directory = o.directory.empty() ? "an example tree" : directory;
  report.directory_kind = FileSystemOf(directory);
  report.cache_kind = FileSystemOf(workspace.directory());
  report.mount_options = o.mount_options;
  report.runs = o.runs;
  report.caches_dropped = o.drop_caches && MayDropKernelCaches();
  report.files = survey.files.size();
  report.directories = survey.directories;
  report.bytes = survey.bytes;
  report.unreadable = survey.unreadable;
  report.large_bytes = o.large_bytes;
  report.random_reads = o.random_reads;
  report.small_files = o.files;
  report.edits = o.edits;
}

// Mounts once, so that what is wrong with the options is said at once.
absl::Status TryOut(WarmfsSystem& warmfs, Report& report) {
  absl::Status status = warmfs.MountFresh();
  if (!status.ok()) return status;
  auto described = warmfs.Status();
  if (!described.ok()) return described.status();
  for (const auto& one : *described) report.ttl_s = one.value("ttl_s", 0.0);
  return warmfs.Unmount();
}

// Once, whatever the number of runs is: these are many edits anyway.
absl::Status TryEdits(const BenchOptions& o, const Workload& workload,
                      WarmfsSystem& warmfs, Results& results) {
  const std::string directory = fmt::format("/{}/edit", kScratchName);
  const std::string edited = workload.options().directory + directory;
  absl::Status status = MakeDirectory(edited);
  if (status.ok()) status = warmfs.MountFresh();
  if (!status.ok()) return status;
  auto edits = MeasureEdits(warmfs.name(), edited,
                            warmfs.mountpoint() + directory, o.edits);
  status.Update(edits.status());
  if (edits.ok()) results.edits = *std::move(edits);
  status.Update(warmfs.Unmount());
  return status;
}

absl::Status Edits(const BenchOptions& o, const Workload& workload,
                   WarmfsSystem& warmfs, Results& results) {
  if (std::count(o.ops.begin(), o.ops.end(), Op::kEdit) == 0) {
    return absl::OkStatus();
  }
  std::string obstacle = workload.Obstacle(Op::kEdit);
  if (obstacle.empty()) {
    Progress("edit");
    const absl::Status status = TryEdits(o, workload, warmfs, results);
    if (status.ok() || absl::IsCancelled(status)) return status;
    ++results.failures;
    obstacle = std::string(status.message());
  }
  results.left_out.emplace_back(Op::kEdit, obstacle);
  return absl::OkStatus();
}

absl::Status Measure(const BenchOptions& o, const std::string& program,
                     Workspace& workspace, Report& report) {
  auto directory = Directory(o, workspace);
  if (!directory.ok()) return directory.status();
  auto warmfs = WarmfsSystem::Make({.program = program,
                                    .source = o.host + *directory,
                                    .work_directory = workspace.directory(),
                                    .mount_options = o.mount_options});
  if (!warmfs.ok()) return warmfs.status();
  absl::Status status = TryOut(**warmfs, report);
  if (!status.ok()) return status;
  auto workload = MakeWorkload(o, *directory, workspace);
  if (!workload.ok()) return workload.status();
  Describe(o, *directory, workspace, *workload, report);
  status = Edits(o, *workload, **warmfs, report.results);
  if (!status.ok()) return status;
  std::vector<Op> ops = o.ops;
  std::erase(ops, Op::kEdit);
  std::vector<std::unique_ptr<System>> systems;
  systems.push_back(*std::move(warmfs));
  if (o.peers) AddPeers(*directory, workspace, systems, report.results.notes);
  Runner runner({.runs = o.runs,
                 .ops = std::move(ops),
                 .states = o.states,
                 .drop_caches = report.caches_dropped,
                 .progress = Progress},
                *workload);
  return runner.Run(systems, report.results);
}

absl::Status Show(const BenchOptions& o, const Report& report) {
  fmt::print("{}", FormatText(report));
  absl::Status status = Write(o.chart_file, FormatChart(report));
  if (o.json_file.empty()) return status;
  // Names are bytes, JSON is text.
  const std::string json = FormatJson(report).dump(
      1, ' ', false, nlohmann::json::error_handler_t::replace);
  status.Update(Write(o.json_file, json + "\n"));
  return status;
}

absl::StatusOr<Report> Bench(const BenchOptions& o) {
  auto program = FindWarmfs();
  if (!program.ok()) return program.status();
  for (const std::string& path : {o.json_file, o.chart_file}) {
    absl::Status status = CheckWritable(path);
    if (!status.ok()) return status;
  }
  auto workspace = Workspace::Make();
  if (!workspace.ok()) return workspace.status();
  absl::Cleanup erase = [] { Progress(""); };
  Report report;
  absl::Status status = Measure(o, *program, **workspace, report);
  if (!status.ok()) return status;
  return report;
}

int Main(int argc, char** argv) {
  BenchOptions options;
  if (auto code = ParseBenchOptions(argc, argv, options)) return *code;
  CatchInterrupts();
  auto report = Bench(options);
  if (Interrupted()) {
    fmt::print(stderr, "{}: interrupted; all is cleaned up\n", kProgram);
    return 128 + Interrupted();
  }
  if (!report.ok()) return cli::Fail(kProgram, report.status());
  absl::Status shown = Show(options, *report);
  if (!shown.ok()) return cli::Fail(kProgram, shown);
  return report->results.failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace warmfs::bench

int main(int argc, char** argv) { return warmfs::bench::Main(argc, argv); }
