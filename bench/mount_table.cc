#include "bench/mount_table.h"

#include <mntent.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "bench/subprocess.h"

namespace warmfs::bench {

std::vector<std::string> MountsBeneath(const std::string& directory) {
  std::vector<std::string> found;
  FILE* table = setmntent("/proc/self/mounts", "re");
  if (table == nullptr) return found;
  while (const mntent* entry = getmntent(table)) {
    const std::string at = entry->mnt_dir;
    if (at.starts_with(directory + "/")) found.push_back(at);
  }
  endmntent(table);
  return found;
}

absl::Status Detach(const std::string& mountpoint, bool lazy) {
  if (geteuid() != 0) {
    return RunOrFail(
               {.argv = {"fusermount3", lazy ? "-uz" : "-u", "--", mountpoint},
                .interruptible = false})
        .status();
  }
  const int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
  if (umount2(mountpoint.c_str(), flags) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, mountpoint);
}

}  // namespace warmfs::bench
