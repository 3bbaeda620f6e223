// Reads the options of `warmfs mount -o ...`. Stateless.

#ifndef WARMFS_CLI_MOUNT_OPTIONS_H_
#define WARMFS_CLI_MOUNT_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "fuse/options.h"

namespace warmfs::cli {

// The text of the options for --help.
extern const char kMountOptionsHelp[];

// Each element is what one -o gave: options separated by commas. Those that
// mount(8) and fstab give to every file system (rw, nodev, _netdev, x-...) are
// accepted and have no effect here. InvalidArgument names an unknown one.
absl::Status ParseMountOptions(const std::vector<std::string>& given,
                               fuse::MountOptions& options);

}  // namespace warmfs::cli

#endif  // WARMFS_CLI_MOUNT_OPTIONS_H_
