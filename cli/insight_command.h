// `warmfs sync`, `warmfs events` and `warmfs why`. Each returns the exit code.

#ifndef WARMFS_CLI_INSIGHT_COMMAND_H_
#define WARMFS_CLI_INSIGHT_COMMAND_H_

#include <string>

namespace warmfs::cli {

// Returns when every change made on the host before the call is visible in the
// mount that holds `path`, and its events are delivered.
int SyncCommand(const std::string& path, double timeout_s);
// Follows what is taken in of the host's changes, until interrupted.
int EventsCommand(const std::string& path, bool as_json);
// What is known of a path, and why.
int WhyCommand(const std::string& path, bool as_json);

}  // namespace warmfs::cli

#endif  // WARMFS_CLI_INSIGHT_COMMAND_H_
