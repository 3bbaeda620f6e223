// A watch source whose events a test makes up: in any order, as many as it
// likes, or lost. Positions count events.
//
// Thread-safe.

#ifndef WARMFS_TESTS_FAKES_SCRIPTED_WATCH_SOURCE_H_
#define WARMFS_TESTS_FAKES_SCRIPTED_WATCH_SOURCE_H_

#include <errno.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hostd/posix/watch_source.h"

namespace warmfs::hostd {

class ScriptedWatchSource final : public WatchSource {
 public:
  // --- the test's side ---
  // Of the object at this path, or of an entry in it, if it is watched.
  void Queue(const std::string& path, uint32_t mask, std::string name = "",
             uint32_t cookie = 0) {
    struct stat st {};
    stat(path.c_str(), &st);
    absl::MutexLock lock(&mu_);
    const auto it = numbers_.find({st.st_dev, st.st_ino});
    if (it == numbers_.end()) return;
    QueueLocked({.watch = it->second,
                 .mask = mask,
                 .cookie = cookie,
                 .name = std::move(name)});
  }
  void Overflow() {
    absl::MutexLock lock(&mu_);
    QueueLocked({.watch = -1, .mask = IN_Q_OVERFLOW});
  }
  // Nothing that is queued is handed out until Release.
  void Hold() { SetHeld(true); }
  void Release() { SetHeld(false); }
  // So many watches at the same time, and no more.
  void Limit(size_t most) {
    absl::MutexLock lock(&mu_);
    most_ = most;
  }

  // --- WatchSource ---
  int Add(int fd, bool, int* number) override {
    struct stat st {};
    if (fstat(fd, &st) != 0) return errno;
    absl::MutexLock lock(&mu_);
    const auto it = numbers_.find({st.st_dev, st.st_ino});
    if (it == numbers_.end() && numbers_.size() >= most_) return ENOSPC;
    *number = it == numbers_.end() ? ++last_number_ : it->second;
    numbers_[{st.st_dev, st.st_ino}] = *number;
    return 0;
  }
  void Remove(int number) override {
    absl::MutexLock lock(&mu_);
    for (auto it = numbers_.begin(); it != numbers_.end(); ++it) {
      if (it->second != number) continue;
      numbers_.erase(it);
      return QueueLocked({.watch = number, .mask = IN_IGNORED});
    }
  }
  uint64_t Mark() override {
    absl::MutexLock lock(&mu_);
    return position_;
  }
  void Wait(absl::Duration timeout) override {
    absl::MutexLock lock(&mu_);
    const auto ready = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return woken_ || (!held_ && !queue_.empty());
    };
    mu_.AwaitWithTimeout(absl::Condition(&ready), timeout);
    woken_ = false;
  }
  void Wake() override {
    absl::MutexLock lock(&mu_);
    woken_ = true;
  }
  void Take(std::vector<RawEvent>* out) override {
    absl::MutexLock lock(&mu_);
    if (held_) return;
    std::move(queue_.begin(), queue_.end(), std::back_inserter(*out));
    queue_.clear();
  }

 private:
  void QueueLocked(RawEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    event.end = ++position_;
    queue_.push_back(std::move(event));
  }
  void SetHeld(bool held) {
    absl::MutexLock lock(&mu_);
    held_ = held;
  }

  mutable absl::Mutex mu_;
  std::map<std::pair<dev_t, ino_t>, int> numbers_ ABSL_GUARDED_BY(mu_);
  std::vector<RawEvent> queue_ ABSL_GUARDED_BY(mu_);
  size_t most_ ABSL_GUARDED_BY(mu_) = SIZE_MAX;
  int last_number_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t position_ ABSL_GUARDED_BY(mu_) = 0;
  bool held_ ABSL_GUARDED_BY(mu_) = false;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_FAKES_SCRIPTED_WATCH_SOURCE_H_
