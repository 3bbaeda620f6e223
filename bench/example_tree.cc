#include "bench/example_tree.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <random>
#include <string_view>
#include <vector>

#include "bench/interrupt.h"
#include "bench/subprocess.h"

namespace warmfs::bench {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSeed = 5000;
// Eight subdirectories to a directory: 250 of them are three levels deep.
constexpr uint64_t kFanOut = 8;
constexpr std::array<std::string_view, 12> kWords = {
    "const", "auto",   "return", "value",  "static", "if (",
    "index", "string", "buffer", "} else", "size_t", "// the"};

// Of all powers of two up to 64 KiB as many, as source trees have it, and some
// empty ones. (The generator's own numbers: distributions differ between
// libraries.)
uint64_t SizeOf(std::mt19937_64& random) {
  const uint64_t power = random() % 17;
  return power == 0 ? 0 : random() % (uint64_t{1} << power);
}

std::string TextOf(std::mt19937_64& random, uint64_t bytes) {
  std::string text;
  text.reserve(bytes + 16);
  while (text.size() < bytes) {
    const uint64_t n = random();
    text += kWords[n % kWords.size()];
    text += n % 7 == 0 ? '\n' : ' ';
  }
  text.resize(bytes);
  return text;
}

std::vector<std::string> MakeDirectories(const std::string& root,
                                         uint64_t directories) {
  std::vector<std::string> made = {root};
  for (uint64_t i = 1; i <= directories; ++i) {
    made.push_back(fmt::format("{}/part-{:04}", made[(i - 1) / kFanOut], i));
    fs::create_directory(made.back());
  }
  return made;
}

absl::Status MakeWorkTree(const std::string& directory) {
  if (!FindProgram("git")) return absl::OkStatus();
  const std::vector<std::vector<std::string>> steps = {
      {"-c", "init.defaultBranch=main", "init", "--quiet", "--template="},
      // As git itself sets it where modes are not the files' own (Windows).
      {"config", "core.fileMode", "false"},
      {"-c", "core.autocrlf=false", "add", "--all"},
      {"-c", "user.name=warmfs-bench", "-c", "user.email=bench@localhost", "-c",
       "commit.gpgSign=false", "commit", "--quiet", "--no-verify",
       "--message=Example"},
      {"repack", "-a", "-d", "--quiet"},
      {"prune-packed", "--quiet"}};
  for (const auto& step : steps) {
    Command git{.argv = {"git", "-C", directory, "-c", "gc.auto=0", "-c",
                         "core.hooksPath=/dev/null"},
                .environment = {{"GIT_DIR", std::nullopt},
                                {"GIT_WORK_TREE", std::nullopt},
                                {"GIT_INDEX_FILE", std::nullopt}}};
    git.argv.insert(git.argv.end(), step.begin(), step.end());
    absl::Status status = RunOrFail(git).status();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeExampleTree(const std::string& directory, uint64_t files) {
  std::mt19937_64 random(kSeed);
  try {
    fs::create_directory(directory);
    const auto directories = MakeDirectories(
        directory, (files + kFilesPerDirectory - 1) / kFilesPerDirectory);
    for (uint64_t i = 0; i < files; ++i) {
      if (Interrupted()) return absl::CancelledError("interrupted");
      std::ofstream out(fmt::format(
          "{}/file-{:05}.txt", directories[1 + i / kFilesPerDirectory], i));
      out.exceptions(std::ios::failbit | std::ios::badbit);
      const std::string text = TextOf(random, SizeOf(random));
      out.write(text.data(), static_cast<std::streamsize>(text.size()));
      out.flush();
    }
  } catch (const std::exception& e) {  // of the standard library's files
    return absl::InternalError(fmt::format("{}: {}", directory, e.what()));
  }
  return MakeWorkTree(directory);
}

}  // namespace warmfs::bench
