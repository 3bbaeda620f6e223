#include "cli/common.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sysexits.h>
#include <unistd.h>
#include <xxhash.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace warmfs::cli {
namespace {

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string CacheHome() {
  const char* xdg = getenv("XDG_CACHE_HOME");
  if (xdg != nullptr && xdg[0] == '/') return xdg;
  const char* home = getenv("HOME");
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.cache";
  const passwd* user = getpwuid(geteuid());
  return std::string(user != nullptr ? user->pw_dir : "/tmp") + "/.cache";
}

}  // namespace

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
      return EX_USAGE;
    case absl::StatusCode::kNotFound:
      return EX_NOINPUT;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return EX_UNAVAILABLE;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return EX_CANTCREAT;
    case absl::StatusCode::kUnimplemented:
      return EX_PROTOCOL;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return EX_NOPERM;
    default:
      return 1;
  }
}

int Fail(std::string_view program, const absl::Status& status) {
  fmt::print(stderr, "{}: {}\n", program, std::string(status.message()));
  return ExitCode(status);
}

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  std::string_view unit(stop, end - stop);
  if (unit.ends_with("iB")) unit.remove_suffix(2);
  if (unit.ends_with("B")) unit.remove_suffix(1);
  constexpr std::string_view kUnits = "KMGT";
  int shift = 0;
  if (unit.size() == 1 && kUnits.find(unit[0]) != kUnits.npos) {
    shift = 10 * (static_cast<int>(kUnits.find(unit[0])) + 1);
  }
  if (error != std::errc() || (shift == 0 && !unit.empty()) ||
      value > (UINT64_MAX >> shift)) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a size; write it like 512M or 10G", text));
  }
  return value << shift;
}

absl::StatusOr<double> ParseSeconds(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const std::string_view unit(stop, end - stop);
  if (error != std::errc() || value < 0 ||
      (!unit.empty() && unit != "s" && unit != "ms")) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not a time; write it like 1, 0.5s or 200ms", text));
  }
  return unit == "ms" ? value / 1000 : value;
}

std::string FormatSize(uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGT";
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}iB", value, kUnits[unit]);
}

std::vector<MountedAt> ListMounts() {
  std::vector<MountedAt> mounts;
  std::ifstream in("/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    // ID PARENT DEV ROOT MOUNTPOINT OPTIONS [TAGS...] - TYPE SOURCE ...
    std::istringstream words(line);
    std::string word, mountpoint;
    for (int i = 0; i < 5; ++i) words >> mountpoint;
    while (words >> word && word != "-") {
    }
    std::string type, source;
    words >> type >> source;
    if (type == "fuse.warmfs") {
      mounts.push_back({Unescape(mountpoint), Unescape(source)});
    }
  }
  return mounts;
}

std::optional<MountedAt> MountHolding(const std::string& path) {
  std::optional<MountedAt> best;
  for (MountedAt& mount : ListMounts()) {
    const std::string& at = mount.mountpoint;
    const bool holds = path == at || path.starts_with(at + "/");
    if (holds && (!best || at.size() >= best->mountpoint.size())) {
      best = std::move(mount);
    }
  }
  return best;
}

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  // The last component is not looked at: it may be a dead mount.
  std::filesystem::path lexical = absolute.lexically_normal();
  if (!lexical.has_filename()) lexical = lexical.parent_path();
  const auto parent =
      std::filesystem::weakly_canonical(lexical.parent_path(), error);
  if (error || lexical == "/") return lexical;
  const std::filesystem::path joined = parent / lexical.filename();
  if (!std::filesystem::is_symlink(joined, error)) return joined;
  const auto target = std::filesystem::weakly_canonical(joined, error);
  return error ? joined : target;
}

std::string DefaultCacheDirectory(const std::string& source,
                                  const std::string& export_name) {
  const std::string key = source + '\n' + export_name;
  return fmt::format("{}/warmfs/{:016x}", CacheHome(),
                     XXH3_64bits(key.data(), key.size()));
}

}  // namespace warmfs::cli
