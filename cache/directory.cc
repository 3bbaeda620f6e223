#include "cache/directory.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace warmfs::cache {
namespace {

namespace fs = std::filesystem;

// The Cache Directory Tagging Specification: backup programs that know it skip
// the directory. The line after the signature makes it ours.
constexpr char kTagName[] = "CACHEDIR.TAG";
constexpr std::string_view kTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This is the cache of a warmfs mount. All of it may be deleted while it "
    "is not mounted.\n";

absl::Status Unusable(const std::string& directory, const std::string& why) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot use ", directory, " for the cache: ", why));
}

// "" if there is none. A crash may have left the beginning only.
std::string ReadTag(const fs::path& directory) {
  std::ifstream file(directory / kTagName, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Only what a fresh directory holds: nothing, a file system's own lost+found,
// or a tag that was cut short by a crash.
bool IsFresh(const fs::path& directory, std::error_code& error) {
  const bool own_tag = kTag.starts_with(ReadTag(directory));
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    const fs::path name = it->path().filename();
    if (name != "lost+found" && !(name == kTagName && own_tag)) return false;
  }
  return !error;
}

bool WriteTag(const fs::path& directory) {
  std::ofstream file(directory / kTagName, std::ios::binary);
  file << kTag << std::flush;
  return file.good();
}

}  // namespace

absl::Status ClaimDirectory(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return Unusable(directory, error.message());
  if (IsClaimed(directory)) return absl::OkStatus();
  const bool fresh = IsFresh(directory, error);
  if (error) return Unusable(directory, error.message());
  if (!fresh) {
    return Unusable(directory, absl::StrCat("it holds files and no ", kTagName,
                                            " of warmfs; give an empty one"));
  }
  if (!WriteTag(directory)) return Unusable(directory, "it cannot be written");
  return absl::OkStatus();
}

bool IsClaimed(const std::string& directory) {
  return ReadTag(directory) == kTag;
}

bool HoldsDatabase(const std::string& directory) {
  std::error_code error;
  return fs::exists(fs::path(directory) / "CURRENT", error);
}

}  // namespace warmfs::cache
