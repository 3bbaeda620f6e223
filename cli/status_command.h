// `warmfs status`: what is mounted, and how it fares. Returns the exit code.

#ifndef WARMFS_CLI_STATUS_COMMAND_H_
#define WARMFS_CLI_STATUS_COMMAND_H_

#include <string>

namespace warmfs::cli {

// Of all mounts of this user, or of the one that holds `path`.
int StatusCommand(const std::string& path, bool as_json);

}  // namespace warmfs::cli

#endif  // WARMFS_CLI_STATUS_COMMAND_H_
