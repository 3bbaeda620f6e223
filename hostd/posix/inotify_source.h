// inotify(7) as a watch source. Watches are made by way of /proc/self/fd, so of
// the object that a descriptor pins and not of what a path leads to.
//
// Linux bounds watches for each user (fs.inotify.max_user_watches), instances
// (max_user_instances) and the queue (max_queued_events): docs/journal.md.
//
// Positions are bytes: those read so far, and those that FIONREAD counts. Both
// change only under mu_, or the sum could count bytes twice that another thread
// is reading.

#ifndef WARMFS_HOSTD_POSIX_INOTIFY_SOURCE_H_
#define WARMFS_HOSTD_POSIX_INOTIFY_SOURCE_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "hostd/posix/watch_source.h"
#include "schema/unique_fd.h"

namespace warmfs::hostd {

class InotifySource final : public WatchSource {
 public:
  // ResourceExhausted: the user has too many instances.
  static absl::StatusOr<std::unique_ptr<WatchSource>> Create();

  int Add(int fd, bool directory, int* number) override;
  void Remove(int number) override;
  uint64_t Mark() ABSL_LOCKS_EXCLUDED(mu_) override;
  void Wait(absl::Duration timeout) override;
  void Wake() override;
  void Take(std::vector<RawEvent>* out) ABSL_LOCKS_EXCLUDED(mu_) override;

 private:
  InotifySource(UniqueFd inotify, UniqueFd wake);

  uint64_t Queued() const;
  // Reads one buffer full; its length in bytes.
  size_t ReadSome(std::vector<RawEvent>* out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const UniqueFd inotify_;
  const UniqueFd wake_;
  const std::unique_ptr<char[]> buffer_;
  absl::Mutex mu_;
  uint64_t taken_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_INOTIFY_SOURCE_H_
