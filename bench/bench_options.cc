#include "bench/bench_options.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cli/common.h"

namespace warmfs::bench {
namespace {

constexpr char kProgram[] = "warmfs-bench";
constexpr char kFooter[] =
    "Example: warmfs-bench --tree 5000 --chart bench.html\n"
    "DIR is changed in one place only, a directory .warmfs-bench-scratch that "
    "is removed at the end.\n"
    "Exit codes: 0 done, 1 something could not be measured, 64 usage, 66 no "
    "such directory,\n69 warmfs is not there, 73 a file cannot be made, 130 "
    "interrupted.";

struct Raw {
  std::vector<std::string> ops;
  std::vector<std::string> states;
  std::string large = "256M";
};

template <typename T>
std::vector<std::string> NamesOf(const std::vector<std::pair<T, Named>>& all) {
  std::vector<std::string> names;
  for (const auto& [value, named] : all) names.push_back(named.name);
  return names;
}

// Native is always measured; it may be named nevertheless.
std::vector<std::string> StateNames() {
  return {"native", Name(State::kCold), Name(State::kRemounted),
          Name(State::kWarm)};
}

template <typename T>
std::vector<T> Chosen(const std::vector<std::pair<T, Named>>& all,
                      const std::vector<std::string>& names) {
  std::vector<T> chosen;
  for (const auto& [value, named] : all) {
    if (names.empty() ||
        std::find(names.begin(), names.end(), named.name) != names.end()) {
      chosen.push_back(value);
    }
  }
  return chosen;
}

void AddWhat(CLI::App& app, BenchOptions& o, Raw& raw) {
  app.add_option("directory", o.directory, "What to mount and measure")
      ->type_name("DIR");
  app.add_option("--tree", o.tree_files,
                 "Make an example tree of this many files instead, for the "
                 "time of the benchmark")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000}))
      ->type_name("FILES");
  app.add_option("--ops", raw.ops, "Only these operations")
      ->delimiter(',')
      ->check(CLI::IsMember(NamesOf(Ops())));
  app.add_option("--states", raw.states, "Only these states, beside native")
      ->delimiter(',')
      ->check(CLI::IsMember(StateNames()));
  app.add_option("--large", raw.large,
                 "Size of the file for sequential and random, unless DIR has "
                 "one as large")
      ->capture_default_str()
      ->type_name("SIZE");
  app.add_option("--reads", o.random_reads, "Reads of random")
      ->check(CLI::Range(uint64_t{1}, uint64_t{10'000'000}))
      ->capture_default_str();
  app.add_option("--files", o.files, "Files of create and delete")
      ->check(CLI::Range(uint64_t{1}, uint64_t{999'999}))
      ->capture_default_str();
  app.add_option("--edits", o.edits, "Edits of edit")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000}))
      ->capture_default_str();
}

void AddHow(CLI::App& app, BenchOptions& o) {
  app.add_option("--runs", o.runs, "How often each is measured")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--mount-options", o.mount_options,
                 "More options for warmfs mount -o, such as ttl=60")
      ->type_name("OPTIONS");
  app.add_option("--host", o.host,
                 "What is mounted is this, followed by the directory's path: "
                 "another host daemon serves it")
      ->type_name("SOURCE");
  app.add_flag("--peers", o.peers,
               "Measure sshfs and bindfs, too, if they are installed");
  app.add_flag("!--no-drop-caches", o.drop_caches,
               "Leave the kernel's caches alone, even if root may drop them");
  app.add_option("--json", o.json_file, "Write every sample there")
      ->type_name("FILE");
  app.add_option("--chart", o.chart_file, "Write a chart there")
      ->type_name("FILE.html");
}

absl::Status CheckDirectory(BenchOptions& o) {
  if (o.directory.empty() == (o.tree_files == 0)) {
    return absl::InvalidArgumentError(
        o.directory.empty() ? "give a directory, or --tree FILES for an example"
                            : "give a directory or --tree FILES, not both");
  }
  if (o.directory.empty()) return absl::OkStatus();
  struct stat st;
  if (stat(o.directory.c_str(), &st) != 0) {
    return absl::NotFoundError(
        fmt::format("{}: {}", o.directory, strerror(errno)));
  }
  if (!S_ISDIR(st.st_mode)) {
    return absl::InvalidArgumentError(o.directory + " is not a directory");
  }
  o.directory = cli::AbsolutePath(o.directory);
  return absl::OkStatus();
}

absl::Status Complete(const Raw& raw, BenchOptions& o) {
  o.ops = Chosen(Ops(), raw.ops);
  for (const State state : Chosen(States(), raw.states)) o.states.insert(state);
  auto large = cli::ParseSize(raw.large);
  if (!large.ok()) return large.status();
  if (*large == 0) {
    return absl::InvalidArgumentError("--large: a file of 0 bytes is not read");
  }
  o.large_bytes = *large;
  return CheckDirectory(o);
}

}  // namespace

std::optional<int> ParseBenchOptions(int argc, char** argv, BenchOptions& o) {
  CLI::App app(
      "Measures what a directory costs through warmfs: cold, remounted and "
      "warm, each beside the same operation on the directory itself, with the "
      "messages that it took.");
  app.set_version_flag("--version", "warmfs-bench " WARMFS_VERSION);
  app.footer(kFooter);
  Raw raw;
  AddWhat(app, o, raw);
  AddHow(app, o);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : EX_USAGE;
  }
  absl::Status status = Complete(raw, o);
  if (!status.ok()) return cli::Fail(kProgram, status);
  return std::nullopt;
}

}  // namespace warmfs::bench
