// `warmfs mount` and `warmfs umount`. Each returns the exit code.

#ifndef WARMFS_CLI_MOUNT_COMMAND_H_
#define WARMFS_CLI_MOUNT_COMMAND_H_

#include <string>

#include "fuse/options.h"

namespace warmfs::cli {

// In the foreground until the mount ends; otherwise returns once the mount
// answers, and leaves the client running.
int MountCommand(fuse::MountOptions options, bool foreground);

int UmountCommand(const std::string& mountpoint, bool lazy);

}  // namespace warmfs::cli

#endif  // WARMFS_CLI_MOUNT_COMMAND_H_
