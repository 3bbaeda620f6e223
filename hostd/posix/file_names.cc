// hostd/file.h by system calls of Linux: names.

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostd/file.h"
#include "hostd/posix/proc_path.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {

// What the core writes with numbers of its own is what the kernel has.
static_assert(kENOENT == ENOENT && kENAMETOOLONG == ENAMETOOLONG &&
              kENOTEMPTY == ENOTEMPTY && kELOOP == ELOOP &&
              kENODATA == ENODATA && kEOPNOTSUPP == EOPNOTSUPP &&
              kESHUTDOWN == ESHUTDOWN && kETIMEDOUT == ETIMEDOUT &&
              kESTALE == ESTALE && kENOLCK == ENOLCK && kEILSEQ == EILSEQ);
static_assert(kS_IFMT == S_IFMT && kS_IFSOCK == S_IFSOCK &&
              kS_IFLNK == S_IFLNK && kS_IFREG == S_IFREG &&
              kS_IFBLK == S_IFBLK && kS_IFDIR == S_IFDIR &&
              kS_IFCHR == S_IFCHR && kS_IFIFO == S_IFIFO);

int MakeEntry(int dir, const std::string& name, const CreateRequest& request,
              UniqueFd* file) {
  constexpr int kFlags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC;
  const mode_t mode = request.mode & 07777;
  int result = 0;
  switch (request.mode & S_IFMT) {
    case S_IFREG:
      *file = UniqueFd(openat(dir, name.c_str(), kFlags, mode));
      result = file->get();
      break;
    case S_IFDIR:
      result = mkdirat(dir, name.c_str(), mode);
      break;
    case S_IFLNK:
      result =
          symlinkat(std::string(request.target).c_str(), dir, name.c_str());
      break;
    default:
      result = mknodat(dir, name.c_str(), (request.mode & S_IFMT) | mode, 0);
  }
  return result >= 0 ? 0 : errno;
}

// Follows no more than the way back to the pinned object, which may itself be a
// symbolic link.
int LinkEntry(int pin, int dir, const std::string& name) {
  const ProcPath path(pin);
  const int result =
      linkat(AT_FDCWD, path.c_str(), dir, name.c_str(), AT_SYMLINK_FOLLOW);
  return result == 0 ? 0 : errno;
}

int RemoveEntry(int dir, const std::string& name, bool directory) {
  const int flags = directory ? AT_REMOVEDIR : 0;
  return unlinkat(dir, name.c_str(), flags) == 0 ? 0 : errno;
}

int RenameEntry(int from_dir, const std::string& from, int to_dir,
                const std::string& to, uint32_t flags) {
  const long result =
      syscall(SYS_renameat2, from_dir, from.c_str(), to_dir, to.c_str(), flags);
  return result == 0 ? 0 : errno;
}

}  // namespace warmfs::hostd
