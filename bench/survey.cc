#include "bench/survey.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "bench/interrupt.h"
#include "bench/workspace.h"

namespace warmfs::bench {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

unsigned char TypeOf(const std::string& path) {
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) return DT_UNKNOWN;
  return IFTODT(st.st_mode);
}

bool IsDots(std::string_view name) { return name == "." || name == ".."; }

void Add(const std::string& root, const std::string& path, unsigned char type,
         Survey& survey) {
  survey.paths.push_back(path);
  if (type == DT_DIR) ++survey.directories;
  if (type != DT_REG) return;
  const std::string full = root + "/" + path;
  struct stat st;
  if (access(full.c_str(), R_OK) != 0 || lstat(full.c_str(), &st) != 0) {
    ++survey.unreadable;
    return;
  }
  const auto size = static_cast<uint64_t>(st.st_size);
  survey.files.push_back(path);
  survey.bytes += size;
  if (size > survey.largest_bytes) {
    survey.largest = path;
    survey.largest_bytes = size;
  }
}

// Ours, and what a host daemon on Windows keeps for itself and never shows.
bool IsOfTools(std::string_view name) {
  return name == kScratchName || name == ".warmfs-host";
}

}  // namespace

absl::Status Walk(
    const std::string& root,
    const std::function<void(const std::string&, unsigned char)>& visit) {
  std::vector<std::string> pending = {""};
  while (!pending.empty()) {
    if (Interrupted()) return absl::CancelledError("interrupted");
    const std::string prefix = std::move(pending.back());
    pending.pop_back();
    const std::string at = prefix.empty() ? root : root + "/" + prefix;
    std::unique_ptr<DIR, CloseDir> dir(opendir(at.c_str()));
    if (!dir) return absl::ErrnoToStatus(errno, at);
    // readdir tells an error from the end by errno alone.
    for (errno = 0; const dirent* entry = readdir(dir.get()); errno = 0) {
      if (IsDots(entry->d_name)) continue;
      if (prefix.empty() && IsOfTools(entry->d_name)) continue;
      const std::string path =
          prefix.empty() ? entry->d_name : prefix + "/" + entry->d_name;
      const unsigned char type = entry->d_type != DT_UNKNOWN
                                     ? entry->d_type
                                     : TypeOf(root + "/" + path);
      visit(path, type);
      if (type == DT_DIR) pending.push_back(path);
    }
    if (errno != 0) return absl::ErrnoToStatus(errno, at);
  }
  return absl::OkStatus();
}

absl::StatusOr<Survey> TakeSurvey(const std::string& root) {
  Survey survey;
  absl::Status status =
      Walk(root, [&](const std::string& path, unsigned char type) {
        Add(root, path, type, survey);
      });
  if (!status.ok()) return status;
  return survey;
}

}  // namespace warmfs::bench
