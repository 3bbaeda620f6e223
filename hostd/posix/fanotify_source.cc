#include "hostd/posix/fanotify_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "hostd/posix/proc_path.h"

namespace warmfs::hostd {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
// A read that leaves more room than this has emptied the kernel's queue.
constexpr size_t kLargestRecord = 4096;
constexpr size_t kMostQueued = 1 << 17;
constexpr size_t kMostNames = 8192;

constexpr uint64_t kMask = FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_MODIFY |
                           FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_ONDIR;
constexpr uint32_t kContent = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE;
// The kernel gives them the same bits.
static_assert(FAN_CREATE == IN_CREATE && FAN_DELETE == IN_DELETE &&
              FAN_MODIFY == IN_MODIFY && FAN_ATTRIB == IN_ATTRIB &&
              FAN_CLOSE_WRITE == IN_CLOSE_WRITE && FAN_ONDIR == IN_ISDIR &&
              FAN_Q_OVERFLOW == IN_Q_OVERFLOW);
constexpr uint32_t kMostlyInThisOrder[] = {IN_CREATE, IN_MODIFY, IN_ATTRIB,
                                           IN_CLOSE_WRITE, IN_DELETE};
// Of a name that is there: it was taken away and came back.
constexpr uint32_t kWhenItIsThere[] = {IN_DELETE, IN_CREATE, IN_MODIFY,
                                       IN_ATTRIB, IN_CLOSE_WRITE};

// As the maps take it: Debian's Abseil has a type of its own.
absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

constexpr char kInstead[] = "; or use --watch=inotify";

absl::Status Explain(int error, const std::string& root) {
  switch (error) {
    case EPERM:
      return absl::PermissionDeniedError(absl::StrCat(
          "--watch=fanotify: CAP_SYS_ADMIN is missing: run with it", kInstead));
    case EMFILE:
      return absl::ResourceExhaustedError(
          absl::StrCat("--watch=fanotify: too many groups: raise "
                       "fs.fanotify.max_user_groups",
                       kInstead));
    case ENOSYS:
    case EINVAL:
      return absl::FailedPreconditionError(absl::StrCat(
          "--watch=fanotify: Linux 5.17 or later is needed", kInstead));
    case ENODEV:
    case EXDEV:
    case EOPNOTSUPP:
      return absl::FailedPreconditionError(
          absl::StrCat("--watch=fanotify: the file system of ", root,
                       " has no file handles, or no id of its own, to tell "
                       "events by: use --watch=inotify"));
    default:
      return absl::ErrnoToStatus(error,
                                 absl::StrCat("--watch=fanotify on ", root));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<WatchSource>> FanotifySource::Create(
    const std::string& root) {
  UniqueFd fanotify(fanotify_init(FAN_CLASS_NOTIF |
                                      FAN_REPORT_DFID_NAME_TARGET |
                                      FAN_NONBLOCK | FAN_CLOEXEC,
                                  0));
  if (!fanotify) return Explain(errno, root);
  UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake) return absl::ErrnoToStatus(errno, "eventfd");
  std::unique_ptr<FanotifySource> source(
      new FanotifySource(std::move(fanotify), std::move(wake)));
  const UniqueFd fd(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, root);
  std::string key;
  int error = FanotifyKey(fd.get(), &key);
  if (error == 0) {
    absl::MutexLock lock(&source->mu_);
    error = source->MarkFileSystem(key, fd.get(), true);
  }
  if (error != 0) return Explain(error, root);
  return source;
}

FanotifySource::FanotifySource(UniqueFd fanotify, UniqueFd wake)
    : fanotify_(std::move(fanotify)),
      wake_(std::move(wake)),
      buffer_(std::make_unique<char[]>(kBufferBytes)) {}

int FanotifySource::MarkFileSystem(std::string_view key, int fd,
                                   bool directory) {
  FileSystem& fs = marked_[View(FileSystemOf(key))];
  const ProcPath path(fd);
  if (fs.watches == 0 &&
      fanotify_mark(fanotify_.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM, kMask,
                    AT_FDCWD, path.c_str()) != 0) {
    const int error = errno;
    marked_.erase(View(FileSystemOf(key)));
    return error;
  }
  // A handle is opened by way of a directory that is open for reading.
  if (fs.watches == 0) {
    fs.in_it = UniqueFd(
        open(path.c_str(),
             O_CLOEXEC | (directory ? O_RDONLY | O_DIRECTORY : O_PATH)));
  }
  ++fs.watches;
  return 0;
}

void FanotifySource::LeaveFileSystem(std::string_view key) {
  const auto it = marked_.find(View(FileSystemOf(key)));
  if (--it->second.watches > 0) return;
  fanotify_mark(fanotify_.get(), FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM, kMask,
                AT_FDCWD, ProcPath(it->second.in_it.get()).c_str());
  marked_.erase(it);
}

int FanotifySource::Add(int fd, bool directory, int* number) {
  std::string key;
  int error = FanotifyKey(fd, &key);
  if (error != 0) return error;
  absl::MutexLock lock(&mu_);
  *number = Find(key);
  if (*number >= 0) return 0;
  error = MarkFileSystem(key, fd, directory);
  if (error != 0) return error;
  Drain();  // what is queued was before the watch
  *number = ++last_number_;
  new_dirs_.erase(key);
  keys_[*number] = key;
  numbers_[std::move(key)] = *number;
  return 0;
}

void FanotifySource::Remove(int number) {
  absl::MutexLock lock(&mu_);
  const auto it = keys_.find(number);
  if (it == keys_.end()) return;
  Drain();
  numbers_.erase(it->second);
  LeaveFileSystem(it->second);
  keys_.erase(it);
  Queue(number, IN_IGNORED);
}

uint64_t FanotifySource::Mark() {
  absl::MutexLock lock(&mu_);
  Drain();
  return position_;
}

bool FanotifySource::EndsWait() {
  absl::MutexLock lock(&mu_);
  Drain();
  return !queue_.empty() || std::exchange(woken_, false);
}

// What others do on the file system ends a poll, and not the wait.
void FanotifySource::Wait(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  pollfd polls[] = {{fanotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  while (!EndsWait()) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return;
    const timespec limit = absl::ToTimespec(left);
    const bool forever = left == absl::InfiniteDuration();
    ppoll(polls, 2, forever ? nullptr : &limit, nullptr);
    uint64_t count = 0;
    [[maybe_unused]] ssize_t n = read(wake_.get(), &count, sizeof(count));
  }
}

void FanotifySource::EndPoll() {
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(wake_.get(), &one, sizeof(one));
}

void FanotifySource::Wake() {
  absl::MutexLock lock(&mu_);
  woken_ = true;
  EndPoll();
}

void FanotifySource::Take(std::vector<RawEvent>* out) {
  absl::MutexLock lock(&mu_);
  Drain();
  std::move(queue_.begin(), queue_.end(), std::back_inserter(*out));
  queue_.clear();
}

void FanotifySource::Drain() {
  ssize_t size = 0;
  do {
    size = read(fanotify_.get(), buffer_.get(), kBufferBytes);
    if (size <= 0) return;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    now_ = {now.tv_sec, static_cast<uint32_t>(now.tv_nsec)};
    std::string_view bytes(buffer_.get(), static_cast<size_t>(size));
    FanotifyRecord record;
    while (TakeFanotifyRecord(&bytes, &record)) Tell(record);
  } while (static_cast<size_t>(size) + kLargestRecord > kBufferBytes);
}

void FanotifySource::Queue(int number, uint32_t mask, std::string_view name,
                           uint32_t cookie) {
  // The kernel's own queue does not show any more that there is something.
  if (queue_.empty()) EndPoll();
  if (queue_.size() > kMostQueued) return;
  if (queue_.size() == kMostQueued) {
    number = -1;
    mask = IN_Q_OVERFLOW;
    name = {};
  }
  queue_.push_back({.watch = number,
                    .mask = mask,
                    .cookie = cookie,
                    .name = std::string(name),
                    .end = ++position_,
                    .taken = now_});
}

int FanotifySource::Find(std::string_view key) const {
  const auto it = numbers_.find(View(key));
  return it == numbers_.end() ? -1 : it->second;
}

void FanotifySource::Note(int dir, std::string_view name,
                          std::string_view object, bool directory) {
  if (dir < 0) return;
  if (names_.size() >= kMostNames) names_.clear();
  if (new_dirs_.size() >= kMostNames) new_dirs_.clear();
  const Place place(dir, name);
  const bool is_new = directory && !object.empty() && Find(object) < 0;
  if (is_new) new_dirs_[View(object)] = place;
  names_[place] = object;
}

// The order of what was told may have been wrong, and so may names_ be: only
// what is seen to be so is left out.
bool FanotifySource::IsByAGoneName(const FanotifyRecord& record, int dir) {
  if (!StandsForAnother(dir, record.name, record.object)) return false;
  if (!IsThere(record).value_or(true)) return true;
  Note(dir, record.name, record.object, false);
  return false;
}

bool FanotifySource::StandsForAnother(int dir, std::string_view name,
                                      std::string_view object) const {
  const auto it = names_.find(Place(dir, name));
  return it != names_.end() && it->second != object;
}

std::optional<bool> FanotifySource::IsThere(
    const FanotifyRecord& record) const {
  const auto mount = marked_.find(View(FileSystemOf(record.dir)));
  if (mount == marked_.end()) return std::nullopt;
  const UniqueFd dir(OpenFanotifyKey(mount->second.in_it.get(), record.dir));
  if (!dir) return std::nullopt;
  const UniqueFd entry(openat(dir.get(), std::string(record.name).c_str(),
                              O_PATH | O_NOFOLLOW | O_CLOEXEC));
  std::string key;
  return entry && FanotifyKey(entry.get(), &key) == 0 && key == record.object;
}

void FanotifySource::TellMove(const FanotifyRecord& record) {
  const int from = Find(record.dir), to = Find(record.to_dir);
  if (from < 0 && to < 0) return;
  const uint32_t kind = record.mask & IN_ISDIR;
  if (++last_cookie_ == 0) ++last_cookie_;  // 0: none
  if (from >= 0) Queue(from, IN_MOVED_FROM | kind, record.name, last_cookie_);
  if (to >= 0) Queue(to, IN_MOVED_TO | kind, record.to_name, last_cookie_);
  // An exchange is two moves: by the second, its name is the first one's.
  if (!StandsForAnother(from, record.name, record.object)) {
    Note(from, record.name, {}, false);
  }
  new_dirs_.erase(View(record.object));
  Note(to, record.to_name, record.object, kind != 0);
}

// Its own watch tells; before it has one, its name, as inotify does.
void FanotifySource::TellOfDirectory(const FanotifyRecord& record) {
  const int own = Find(record.dir);
  const auto it = new_dirs_.find(View(record.dir));
  for (const uint32_t bit : {IN_MODIFY, IN_ATTRIB}) {
    if ((record.mask & bit) == 0) continue;
    if (own >= 0) {
      Queue(own, bit | IN_ISDIR);
    } else if (it != new_dirs_.end()) {
      Queue(it->second.first, bit | IN_ISDIR, it->second.second);
    }
  }
}

void FanotifySource::TellOne(const FanotifyRecord& record, uint32_t bit,
                             int named, int own) {
  const bool directory = (record.mask & FAN_ONDIR) != 0;
  const bool content = (bit & kContent) != 0;
  const bool hidden = content && named >= 0 && IsByAGoneName(record, named);
  if (named >= 0 && !hidden) {
    Queue(named, bit | (directory ? IN_ISDIR : 0), record.name);
  }
  if (own >= 0 && content) Queue(own, bit);
  if (content) return;
  Note(named, record.name, bit == IN_CREATE ? record.object : "", directory);
}

void FanotifySource::Tell(const FanotifyRecord& record) {
  if ((record.mask & FAN_Q_OVERFLOW) != 0) {
    names_.clear();
    new_dirs_.clear();
    return Queue(-1, IN_Q_OVERFLOW);
  }
  if ((record.mask & FAN_RENAME) != 0) return TellMove(record);
  if (record.name == ".") return TellOfDirectory(record);
  const int named = record.dir.empty() ? -1 : Find(record.dir);
  const int own = record.object.empty() ? -1 : Find(record.object);
  if (named < 0 && own < 0) return;
  constexpr uint64_t kBoth = FAN_CREATE | FAN_DELETE;
  const bool ambiguous =
      (record.mask & kBoth) == kBoth && (record.mask & FAN_ONDIR) == 0;
  const auto& order = ambiguous && named >= 0 && IsThere(record).value_or(false)
                          ? kWhenItIsThere
                          : kMostlyInThisOrder;
  for (const uint32_t bit : order) {
    if ((record.mask & bit) != 0) TellOne(record, bit, named, own);
  }
}

}  // namespace warmfs::hostd
