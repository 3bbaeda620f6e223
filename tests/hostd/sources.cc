#include "tests/hostd/sources.h"

#include <filesystem>

#include "hostd/posix/fanotify_source.h"
#include "hostd/posix/inotify_source.h"

namespace warmfs::hostd {

absl::StatusOr<std::unique_ptr<WatchSource>> MakeSource(
    SourceKind kind, const std::string& root) {
  return kind == SourceKind::kInotify ? InotifySource::Create()
                                      : FanotifySource::Create(root);
}

std::string WhyNot(SourceKind kind) {
  const auto source =
      MakeSource(kind, std::filesystem::temp_directory_path().string());
  return source.ok() ? "" : std::string(source.status().message());
}

std::string NameOf(SourceKind kind) {
  return kind == SourceKind::kInotify ? "Inotify" : "Fanotify";
}

}  // namespace warmfs::hostd
