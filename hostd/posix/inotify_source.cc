#include "hostd/posix/inotify_source.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "hostd/posix/proc_path.h"

namespace warmfs::hostd {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
constexpr uint32_t kContent = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE;
constexpr uint32_t kNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr uint32_t kDirectoryMask =
    kContent | kNames | IN_DELETE_SELF | IN_EXCL_UNLINK;

}  // namespace

absl::StatusOr<std::unique_ptr<WatchSource>> InotifySource::Create() {
  UniqueFd inotify(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify && errno == EMFILE) {
    return absl::ResourceExhaustedError(
        "inotify: too many instances; raise fs.inotify.max_user_instances");
  }
  if (!inotify) return absl::ErrnoToStatus(errno, "inotify");
  UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake) return absl::ErrnoToStatus(errno, "eventfd");
  return std::unique_ptr<WatchSource>(
      new InotifySource(std::move(inotify), std::move(wake)));
}

InotifySource::InotifySource(UniqueFd inotify, UniqueFd wake)
    : inotify_(std::move(inotify)),
      wake_(std::move(wake)),
      buffer_(std::make_unique<char[]>(kBufferBytes)) {}

int InotifySource::Add(int fd, bool directory, int* number) {
  const uint32_t mask = directory ? kDirectoryMask : kContent;
  *number = inotify_add_watch(inotify_.get(), ProcPath(fd).c_str(), mask);
  return *number >= 0 ? 0 : errno;
}

void InotifySource::Remove(int number) {
  inotify_rm_watch(inotify_.get(), number);
}

uint64_t InotifySource::Queued() const {
  int bytes = 0;
  return ioctl(inotify_.get(), FIONREAD, &bytes) == 0
             ? static_cast<uint64_t>(bytes)
             : 0;
}

uint64_t InotifySource::Mark() {
  absl::MutexLock lock(&mu_);
  return taken_ + Queued();
}

void InotifySource::Wait(absl::Duration timeout) {
  pollfd polls[] = {{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  const timespec limit = absl::ToTimespec(timeout);
  const bool forever = timeout == absl::InfiniteDuration();
  ppoll(polls, 2, forever ? nullptr : &limit, nullptr);
  uint64_t count = 0;
  [[maybe_unused]] ssize_t n = read(wake_.get(), &count, sizeof(count));
}

void InotifySource::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(wake_.get(), &one, sizeof(one));
}

size_t InotifySource::ReadSome(std::vector<RawEvent>* out) {
  const ssize_t size = read(inotify_.get(), buffer_.get(), kBufferBytes);
  if (size <= 0) return 0;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const char* at = buffer_.get();
  const char* const end = at + size;
  while (at < end) {
    inotify_event event;
    std::memcpy(&event, at, sizeof(event));
    const char* const name = at + sizeof(event);
    at = name + event.len;
    taken_ += sizeof(event) + event.len;
    RawEvent& raw = out->emplace_back();
    raw.watch = (event.mask & IN_Q_OVERFLOW) != 0 ? -1 : event.wd;
    raw.mask = event.mask;
    raw.cookie = event.cookie;
    if (event.len > 0) raw.name = name;  // padded with NULs
    raw.end = taken_;
    raw.taken = {now.tv_sec, static_cast<uint32_t>(now.tv_nsec)};
  }
  return static_cast<size_t>(size);
}

void InotifySource::Take(std::vector<RawEvent>* out) {
  const uint64_t mark = Mark();
  absl::MutexLock lock(&mu_);
  while (taken_ < mark && ReadSome(out) > 0) {
  }
}

}  // namespace warmfs::hostd
