#include "tests/integration/host_needs.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "schema/unique_fd.h"

namespace warmfs::testing {
namespace {

namespace fs = std::filesystem;

// A file of the mount, for as long as a need is tried out.
class ProbeFile {
 public:
  explicit ProbeFile(std::string path)
      : path_(std::move(path)),
        fd_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {}
  ~ProbeFile() {
    fd_.Reset();
    unlink(path_.c_str());
  }
  const char* path() const { return path_.c_str(); }
  int fd() const { return fd_.get(); }

 private:
  const std::string path_;
  UniqueFd fd_;
};

bool HasSymbolicLinks(const std::string& mnt) {
  const std::string path = mnt + "/.probe-link";
  const bool made = symlink("x", path.c_str()) == 0;
  unlink(path.c_str());
  return made;
}

bool HasNanoseconds(const std::string& mnt) {
  const ProbeFile file(mnt + "/.probe");
  const timespec times[2] = {{1, 1}, {1, 1}};
  struct stat st = {};
  return futimens(file.fd(), times) == 0 && stat(file.path(), &st) == 0 &&
         st.st_mtim.tv_nsec == 1;
}

bool HasOwnModes(const std::string& mnt, const std::string& host) {
  const ProbeFile file(mnt + "/.probe");
  struct stat st = {};
  return fchmod(file.fd(), 0640) == 0 &&
         stat((host + "/.probe").c_str(), &st) == 0 &&
         (st.st_mode & 07777) == 0640;
}

bool HasHostLocks(const std::string& mnt, const std::string& host) {
  const ProbeFile file(mnt + "/.probe");
  const UniqueFd theirs(open((host + "/.probe").c_str(), O_RDWR | O_CLOEXEC));
  return flock(file.fd(), LOCK_EX | LOCK_NB) == 0 &&
         flock(theirs.get(), LOCK_EX | LOCK_NB) != 0;
}

bool HasExchange(const std::string& mnt) {
  const ProbeFile a(mnt + "/.probe-a"), b(mnt + "/.probe-b");
  return renameat2(AT_FDCWD, a.path(), AT_FDCWD, b.path(), RENAME_EXCHANGE) ==
         0;
}

bool HasOwnNames(const std::string& mnt, const std::string& host) {
  const ProbeFile file(mnt + "/.probe\xff*");
  return access((host + "/.probe\xff*").c_str(), F_OK) == 0;
}

bool HasHoles(const std::string& mnt) {
  const ProbeFile file(mnt + "/.probe");
  return pwrite(file.fd(), "x", 1, 1 << 20) == 1 &&
         lseek(file.fd(), 0, SEEK_DATA) == 1 << 20;
}

bool HasFallocate(const std::string& mnt) {
  const ProbeFile file(mnt + "/.probe");
  return fallocate(file.fd(), 0, 0, 4096) == 0;
}

bool HasExtendedAttributes(const std::string& mnt) {
  const ProbeFile file(mnt + "/.probe");
  return setxattr(file.path(), "user.probe", "x", 1, 0) == 0;
}

bool HasFifos(const std::string& mnt) {
  const std::string path = mnt + "/.probe-fifo";
  const bool made = mkfifo(path.c_str(), 0600) == 0;
  unlink(path.c_str());
  return made;
}

bool HasReplacedFiles(const std::string& mnt, const std::string& host) {
  // Larger than what is fetched with its first byte.
  constexpr off_t kBytes = 16 << 20;
  const ProbeFile theirs(host + "/.probe"), next(host + "/.probe-next");
  if (ftruncate(theirs.fd(), kBytes) != 0) return false;
  const UniqueFd ours(open((mnt + "/.probe").c_str(), O_RDONLY | O_CLOEXEC));
  char byte = 0;
  return pread(ours.get(), &byte, 1, 0) == 1 &&
         rename(next.path(), theirs.path()) == 0 &&
         pread(ours.get(), &byte, 1, kBytes - 1) == 1;
}

bool HasNothingElse(const std::string& mnt, const std::string& host) {
  const ProbeFile file(mnt + "/.probe");
  for (const auto& entry : fs::directory_iterator(host)) {
    const auto seen = fs::path(mnt) / entry.path().filename();
    if (!fs::exists(fs::symlink_status(seen))) return false;
  }
  return true;
}

bool HasOwnEvents(const std::string& mnt, const std::string& host) {
  const ProbeFile file(mnt + "/.probe");
  const UniqueFd watcher(inotify_init1(IN_CLOEXEC));
  inotify_add_watch(watcher.get(), file.path(), IN_ATTRIB | IN_MODIFY);
  chmod((host + "/.probe").c_str(), 0700);
  pollfd ready = {watcher.get(), POLLIN, 0};
  inotify_event event = {};
  return poll(&ready, 1, /*ms=*/5'000) == 1 &&
         read(watcher.get(), &event, sizeof(event)) == sizeof(event) &&
         event.mask == IN_ATTRIB;
}

}  // namespace

std::string Unmet(Need need, const std::string& mnt, const std::string& host) {
  if (getenv("WARMFS_TEST_HOST") == nullptr) return "";
  switch (need) {
    case Need::kSymbolicLinks:
      return HasSymbolicLinks(mnt) ? "" : "symbolic links";
    case Need::kNanoseconds:
      return HasNanoseconds(mnt) ? "" : "times to the nanosecond";
    case Need::kOwnModes:
      return HasOwnModes(mnt, host) ? "" : "modes of its own";
    case Need::kHostLocks:
      return HasHostLocks(mnt, host) ? "" : "locks that its programs see";
    case Need::kExchange:
      return HasExchange(mnt) ? "" : "exchange of names";
    case Need::kOwnNames:
      return HasOwnNames(mnt, host) ? "" : "names of any bytes";
    case Need::kHoles:
      return HasHoles(mnt) ? "" : "holes in files";
    case Need::kFallocate:
      return HasFallocate(mnt) ? "" : "fallocate";
    case Need::kExtendedAttributes:
      return HasExtendedAttributes(mnt) ? "" : "extended attributes";
    case Need::kFifos:
      return HasFifos(mnt) ? "" : "FIFOs";
    case Need::kReplacedFiles:
      return HasReplacedFiles(mnt, host) ? "" : "files that were replaced";
    case Need::kNothingElse:
      return HasNothingElse(mnt, host) ? ""
                                       : "directory without files of its own";
    case Need::kOwnEvents:
      return HasOwnEvents(mnt, host) ? "" : "events of attributes alone";
  }
  return "";
}

}  // namespace warmfs::testing
