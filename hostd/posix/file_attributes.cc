// hostd/file.h by system calls of Linux: pins, attributes, links' targets.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hostd/file.h"
#include "hostd/posix/proc_path.h"

namespace warmfs::hostd {
namespace {

int FlagsOf(Access access) {
  switch (access) {
    case Access::kRead:
      return O_RDONLY;
    case Access::kWrite:
      return O_WRONLY;
    case Access::kReadWrite:
      return O_RDWR;
  }
  return O_RDONLY;
}

timespec ToTimespec(const std::optional<TimeOrNow>& time) {
  if (!time) return {0, UTIME_OMIT};
  if (time->now) return {0, UTIME_NOW};
  return {time->time.sec, static_cast<long>(time->time.nsec)};
}

}  // namespace

int Duplicate(int fd, UniqueFd* out) {
  *out = UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return *out ? 0 : errno;
}

int OpenPinned(int pin, Access access, UniqueFd* out) {
  const int flags = FlagsOf(access) | O_CLOEXEC | O_NOCTTY;
  *out = UniqueFd(open(ProcPath(pin).c_str(), flags));
  return *out ? 0 : errno;
}

int OpenPinnedDirectory(int pin, UniqueFd* out) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  *out = UniqueFd(openat(pin, ".", kFlags));
  return *out ? 0 : errno;
}

int MaySearch(int directory) {
  return faccessat(directory, ".", X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

// A pin is opened by way of /proc, name or no name.
void PinForLater(UniqueFd*) {}
bool PinsAreUnnoticed() { return true; }

HostUser CurrentHostUser() { return {geteuid(), getegid()}; }

// But for what an ACL of the directory takes away, which is as it should be.
bool ModesAreKept() { return true; }

int SetTimes(int fd, const std::optional<TimeOrNow>& atime,
             const std::optional<TimeOrNow>& mtime) {
  const timespec times[2] = {ToTimespec(atime), ToTimespec(mtime)};
  return utimensat(fd, "", times, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

int ReadFileSystem(int fd, StatFsReply* out) {
  struct statfs fs {};
  if (fstatfs(fd, &fs) != 0) return errno;
  out->block_bytes = static_cast<uint64_t>(fs.f_bsize);
  out->blocks = fs.f_blocks;
  out->blocks_free = fs.f_bfree;
  out->blocks_available = fs.f_bavail;
  out->files = fs.f_files;
  out->files_free = fs.f_ffree;
  out->name_max = static_cast<uint32_t>(fs.f_namelen);
  return 0;
}

int ReadTarget(int fd, const std::string& name, std::string* out) {
  char target[PATH_MAX];
  const ssize_t size = readlinkat(fd, name.c_str(), target, sizeof(target));
  if (size < 0) return errno;
  out->assign(target, static_cast<size_t>(size));
  return 0;
}

int ListXattrs(int fd, std::string* out) {
  out->resize(kMaxXattrBytes);
  const ssize_t size =
      listxattr(ProcPath(fd).c_str(), out->data(), out->size());
  const int error = size < 0 && errno != EOPNOTSUPP ? errno : 0;
  out->resize(size < 0 ? 0 : static_cast<size_t>(size));
  return error;
}

int ReadXattr(int fd, const std::string& name, std::string* out) {
  out->resize(kMaxXattrBytes);
  const ssize_t size =
      getxattr(ProcPath(fd).c_str(), name.c_str(), out->data(), out->size());
  const int error = size < 0 ? errno : 0;
  out->resize(size < 0 ? 0 : static_cast<size_t>(size));
  return error;
}

int WriteXattr(int fd, const SetXattrRequest& request) {
  const ProcPath path(fd);
  const std::string name(request.name);
  const int result =
      request.value
          ? setxattr(path.c_str(), name.c_str(), request.value->data(),
                     request.value->size(), request.flags)
          : removexattr(path.c_str(), name.c_str());
  return result == 0 ? 0 : errno;
}

}  // namespace warmfs::hostd
