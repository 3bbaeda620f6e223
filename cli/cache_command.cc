#include "cli/cache_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "cache/cache.h"
#include "cli/common.h"
#include "fuse/control.h"
#include "fuse/mount.h"
#include "fuse/warmer.h"

namespace warmfs::cli {
namespace {

using cache::Emit;
using nlohmann::json;

constexpr char kProgram[] = "warmfs-cache";

class CacheInUse : public CacheTarget {
 public:
  explicit CacheInUse(std::string control) : control_(std::move(control)) {}

  absl::Status Ask(const json& request, const Emit& emit) override {
    return fuse::Ask(control_, request, emit);
  }

 private:
  const std::string control_;
};

class CacheAtRest : public CacheTarget {
 public:
  explicit CacheAtRest(std::unique_ptr<cache::Cache> cache)
      : cache_(std::move(cache)) {}

  absl::Status Ask(const json& request, const Emit& emit) override {
    if (request.value("command", "") == "warm") return Warm(request, emit);
    absl::Status status;
    cache::Inspector(*cache_).Execute(request, [&](const json& line) {
      if (line.contains("error")) {
        status = absl::NotFoundError(line["error"].get<std::string>());
      } else if (!line.contains("done") || line.size() > 1) {
        emit(line);
      }
    });
    return status;
  }

 private:
  // The host is asked, at the source that the cache was filled from.
  absl::Status Warm(const json& request, const Emit& emit) {
    fuse::MountOptions options;
    options.remote.endpoint = cache_->options().source;
    options.remote.export_name = cache_->options().export_name;
    options.cache_directory = cache_->options().directory;
    options.cache_bytes = cache_->usage().max_bytes;
    cache_.reset();
    auto share = fuse::Share::Open(options, {});
    if (!share.ok()) return share.status();
    rpc::Channel host((*share)->remote());
    fuse::WarmProgress last;
    absl::Status status =
        fuse::Warm((*share)->fs(), host, request.value("path", ""),
                   [&](const fuse::WarmProgress& p) {
                     last = p;
                     emit(fuse::ToJson(p));
                     return true;
                   });
    json end = fuse::ToJson(last);
    end["done"] = true;
    if (status.ok()) emit(end);
    (*share)->cache().Flush();
    return status;
  }

  std::unique_ptr<cache::Cache> cache_;
};

// The control socket of the mount that has this cache in use, if any.
std::string UserOf(const std::string& cache_directory) {
  std::string found;
  for (const std::string& control : fuse::ControlPaths()) {
    (void)fuse::Ask(control, {{"command", "info"}}, [&](const json& line) {
      if (line.value("directory", "") == cache_directory) found = control;
    });
  }
  return found;
}

absl::StatusOr<CacheAt> AtDirectory(const CacheWhere& where) {
  const std::string directory = AbsolutePath(where.cache_directory);
  const std::string control = UserOf(directory);
  if (!control.empty()) {
    return CacheAt{std::make_unique<CacheInUse>(control), where.path};
  }
  auto opened = cache::Cache::Open({.directory = directory});
  if (!opened.ok()) return opened.status();
  return CacheAt{std::make_unique<CacheAtRest>(*std::move(opened)), where.path};
}

// --- printing ---

void PrintEntry(const json& e) {
  const std::string kind = e.value("kind", "?");
  const char letter = kind == "directory" ? 'd'
                      : kind == "file"    ? '-'
                      : kind == "symlink" ? 'l'
                                          : '?';
  fmt::print("{}{} {:>12} {:>12}  {}\n", letter, e.value("mode", "????"),
             e.value("size", uint64_t{0}), e.value("cached", uint64_t{0}),
             e.value("name", "?"));
}

// Only on a terminal: a bar of what is done without knowing the whole.
class ProgressLine {
 public:
  void Show(const json& p) {
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start_);
    const uint64_t bytes = p.value("bytes_fetched", uint64_t{0});
    const std::string text = fmt::format(
        "{} directories, {} files, {} fetched, {}/s",
        p.value("directories", uint64_t{0}), p.value("files", uint64_t{0}),
        FormatSize(bytes),
        FormatSize(seconds > 0 ? static_cast<uint64_t>(bytes / seconds) : 0));
    const bool done = p.contains("done");
    if (!isatty(STDERR_FILENO)) {
      if (done) fmt::print("{}\n", text);
      return;
    }
    if (!done && absl::Now() < next_) return;
    next_ = absl::Now() + absl::Milliseconds(100);
    constexpr std::string_view kBar = "|/-\\";
    fmt::print(stderr, "\r{} {}\033[K{}", done ? '=' : kBar[turn_++ % 4], text,
               done ? "\n" : "");
  }

 private:
  const absl::Time start_ = absl::Now();
  absl::Time next_ = absl::Now();
  unsigned turn_ = 0;
};

void Print(const std::string& command, const json& line) {
  if (command == "ls") {
    if (line.contains("name")) return PrintEntry(line);
    if (!line.value("complete", true)) {
      fmt::print(stderr,
                 "(only what is in the cache; the listing is not "
                 "complete)\n");
    }
  } else if (command == "cat") {
    std::string bytes;
    absl::Base64Unescape(line.value("base64", ""), &bytes);
    fwrite(bytes.data(), 1, bytes.size(), stdout);
  } else if (command == "du") {
    fmt::print("{:>12} of {:>12}  {}\n", FormatSize(line.value("cached", 0ull)),
               FormatSize(line.value("size", 0ull)), line.value("path", ""));
  } else if (command == "verify" && line.contains("bad")) {
    fmt::print("{}\n", line.value("bad", ""));
  } else if (command == "verify") {
    fmt::print("{} blocks ({}) verified: {} bad blocks, {} bad records\n",
               line.value("blocks", 0ull),
               FormatSize(line.value("bytes", 0ull)),
               line.value("bad_blocks", 0ull), line.value("bad_records", 0ull));
  } else if (command == "evict") {
    fmt::print("{} evicted\n", FormatSize(line.value("evicted", 0ull)));
  } else {
    for (auto& [key, value] : line.items()) {
      if (!value.is_array()) {
        fmt::print("{:18} {}\n", key, value.dump());
        continue;
      }
      fmt::print("{}:\n", key);
      for (const json& one : value) fmt::print("  {}\n", one.dump());
    }
  }
}

}  // namespace

absl::StatusOr<CacheAt> FindCache(const CacheWhere& where) {
  if (!where.cache_directory.empty()) return AtDirectory(where);
  const std::string path = AbsolutePath(where.path.empty() ? "." : where.path);
  auto mounted = MountHolding(path);
  if (!mounted) {
    return absl::NotFoundError(fmt::format(
        "{} is not in a mount of warmfs; for a cache at rest give --cache DIR "
        "and a path relative to the export",
        path));
  }
  auto control = fuse::ControlPath(mounted->mountpoint);
  if (!control.ok()) return control.status();
  const size_t prefix = mounted->mountpoint.size() + 1;
  return CacheAt{std::make_unique<CacheInUse>(*control),
                 path.size() > prefix ? path.substr(prefix) : ""};
}

int CacheCommand(const CacheWhere& where, json request, bool as_json) {
  auto at = FindCache(where);
  if (!at.ok()) return Fail(kProgram, at.status());
  const std::string command = request["command"];
  // Evicting by size concerns the whole cache.
  if (!request.contains("bytes")) request["path"] = at->path;
  ProgressLine progress;
  bool bad = false;
  absl::Status status = at->target->Ask(request, [&](const json& line) {
    bad = bad ||
          line.value("bad_blocks", 0ull) + line.value("bad_records", 0ull) > 0;
    if (as_json) {
      fmt::print("{}\n",
                 line.dump(-1, ' ', false, json::error_handler_t::replace));
    } else if (command == "warm") {
      progress.Show(line);
    } else {
      Print(command, line);
    }
  });
  if (!status.ok()) return Fail(kProgram, status);
  return bad ? 1 : 0;
}

}  // namespace warmfs::cli
