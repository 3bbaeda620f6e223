// What the command-line programs share: exit codes, errors, sizes, and where a
// mount or a cache is. Stateless.

#ifndef WARMFS_CLI_COMMON_H_
#define WARMFS_CLI_COMMON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace warmfs::cli {

// sysexits.h's code for a status; the table is in README.md.
int ExitCode(const absl::Status& status);

// "PROGRAM: MESSAGE" on standard error; returns the exit code.
int Fail(std::string_view program, const absl::Status& status);

// "10G", "512M", "4096": bytes, in powers of 1024.
absl::StatusOr<uint64_t> ParseSize(std::string_view text);
// "1", "0.5", "500ms", "2s": seconds unless it says so.
absl::StatusOr<double> ParseSeconds(std::string_view text);
std::string FormatSize(uint64_t bytes);

// A mount of warmfs as /proc/self/mountinfo tells of it.
struct MountedAt {
  std::string mountpoint;
  std::string source;
};
std::vector<MountedAt> ListMounts();
// The innermost warmfs mount that holds `path` (absolute), if any.
std::optional<MountedAt> MountHolding(const std::string& path);

// The absolute path without "." and ".."; follows symbolic links as far as it
// can be followed, so it works on a mount whose client is dead.
std::string AbsolutePath(const std::string& path);

// Where the cache of a source is kept unless the user says otherwise.
std::string DefaultCacheDirectory(const std::string& source,
                                  const std::string& export_name);

}  // namespace warmfs::cli

#endif  // WARMFS_CLI_COMMON_H_
