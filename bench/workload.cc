#include "bench/workload.h"

#include <dirent.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "bench/file_operations.h"
#include "bench/subprocess.h"
#include "bench/workspace.h"

namespace warmfs::bench {
namespace {

constexpr char kLargeName[] = "large-file";

int64_t NowNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string InScratch(const std::string& name) {
  return fmt::format("{}/{}", kScratchName, name);
}

absl::StatusOr<uint64_t> CountEntries(const std::string& root) {
  uint64_t entries = 0;
  absl::Status status =
      Walk(root, [&](const std::string&, unsigned char) { ++entries; });
  if (!status.ok()) return status;
  return entries;
}

// As a user's own `git status`, but with an index elsewhere, and without what
// would remember more of the last time than the index does.
Command Git(const std::string& root, const std::string& index) {
  return {.argv = {"git", "-C", root, "-c", "core.fsmonitor=false", "-c",
                   "core.untrackedCache=false", "-c", "core.splitIndex=false",
                   "status", "--porcelain"},
          .environment = {{"GIT_INDEX_FILE", index},
                          {"GIT_DIR", std::nullopt},
                          {"GIT_WORK_TREE", std::nullopt}}};
}

}  // namespace

absl::StatusOr<Workload> Workload::Make(WorkloadOptions options) {
  Workload workload(std::move(options));
  auto survey = TakeSurvey(workload.options_.directory);
  if (!survey.ok()) return survey.status();
  workload.survey_ = *std::move(survey);
  absl::Status status = workload.ChooseLargeFile();
  if (!status.ok()) return status;
  workload.FindGit();
  return workload;
}

absl::Status Workload::ChooseLargeFile() {
  large_bytes_ = options_.large_bytes;
  if (survey_.largest_bytes >= options_.large_bytes) {
    large_file_ = survey_.largest;
    large_bytes_ = survey_.largest_bytes;
    return absl::OkStatus();
  }
  if (!options_.scratch) return absl::OkStatus();
  large_file_ = InScratch(kLargeName);
  return WriteLargeFile(options_.directory + "/" + large_file_, large_bytes_);
}

void Workload::FindGit() {
  const std::string& directory = options_.directory;
  if (access((directory + "/.git").c_str(), F_OK) != 0) {
    git_obstacle_ = "not a git work tree";
    return;
  }
  auto index =
      RunOrFail({.argv = {"git", "-C", directory, "rev-parse",
                          "--path-format=absolute", "--git-path", "index"}});
  if (!index.ok()) {
    git_obstacle_ = absl::IsNotFound(index.status())
                        ? "git is not installed"
                        : std::string(index.status().message());
    return;
  }
  git_index_ = index->substr(0, index->find('\n'));
}

std::string Workload::Obstacle(Op op) const {
  switch (op) {
    case Op::kSequential:
    case Op::kRandom:
      if (!large_file_.empty()) return "";
      return "no file is large enough, and none can be made: the directory is "
             "not writable";
    case Op::kCreate:
    case Op::kDelete:
    case Op::kEdit:
      return options_.scratch ? "" : "the directory is not writable";
    case Op::kGitStatus:
      return git_obstacle_;
    default:
      return "";
  }
}

std::string Workload::IndexOf(const std::string& view) const {
  return fmt::format("{}/index-{}", options_.work_directory, view);
}

absl::Status Workload::ResetView(const std::string& view) {
  if (git_index_.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::copy_file(git_index_, IndexOf(view),
                             std::filesystem::copy_options::overwrite_existing,
                             error);
  // A repository without a commit may have none.
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::InternalError(git_index_ + ": " + error.message());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Workload::Prepare(Op op, const std::string& root) {
  if (op != Op::kCreate && op != Op::kDelete) return std::string();
  const std::string round = InScratch(fmt::format("round-{}", ++rounds_));
  const std::string path = root + "/" + round;
  absl::Status status = MakeDirectory(path);
  if (status.ok() && op == Op::kDelete) {
    status = CreateFiles(path, options_.files).status();
  }
  if (!status.ok()) return status;
  return round;
}

absl::StatusOr<Timed> Workload::Run(Op op, const std::string& root,
                                    const std::string& view,
                                    const std::string& round) {
  const int64_t start = NowNanos();
  auto outcome = Do(op, root, view, round);
  const int64_t end = NowNanos();
  if (!outcome.ok()) return outcome.status();
  return Timed{.nanos = end - start, .outcome = *outcome};
}

absl::StatusOr<uint64_t> Workload::Do(Op op, const std::string& root,
                                      const std::string& view,
                                      const std::string& round) const {
  switch (op) {
    case Op::kWalk:
      return CountEntries(root);
    case Op::kStat:
      return StatAll(root, survey_.paths);
    case Op::kRead:
      return ReadAll(root, survey_.files);
    case Op::kSequential:
      return ReadSequentially(root + "/" + large_file_);
    case Op::kRandom:
      return ReadAtRandom(root + "/" + large_file_, large_bytes_,
                          options_.random_reads);
    case Op::kCreate:
      return CreateFiles(root + "/" + round, options_.files);
    case Op::kDelete:
      return DeleteFiles(root + "/" + round, options_.files);
    case Op::kGitStatus:
      return GitStatus(root, view);
    case Op::kEdit:
      break;
  }
  return absl::InternalError("no such operation");
}

absl::StatusOr<uint64_t> Workload::GitStatus(const std::string& root,
                                             const std::string& view) const {
  auto out = RunOrFail(Git(root, IndexOf(view)));
  if (!out.ok()) return out.status();
  return std::count(out->begin(), out->end(), '\n');
}

}  // namespace warmfs::bench
