#include "fuse/detach.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace warmfs::fuse {

int Detach(const std::string& mountpoint, bool lazy) {
  if (geteuid() == 0) {
    const int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
    return umount2(mountpoint.c_str(), flags) == 0 ? 0 : errno;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    execlp("fusermount3", "fusermount3", lazy ? "-uz" : "-u", "--",
           mountpoint.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WEXITSTATUS(status) == 127) return ENOSYS;
  return status == 0 ? 0 : EBUSY;
}

}  // namespace warmfs::fuse
