// Which of a session's idle workers wait for the kernel's next request, and
// which rest.
//
// The kernel gives a request to the worker that has waited longest. If all idle
// workers waited there they would take turns: each request would find nothing
// of what it needs in the processor's caches, neither its worker's stack and
// connection nor the host's thread at the other end of it, and creating files
// took 1.3 times as long (docs/benchmark.md). So only few wait, and the one
// that came to rest last is the first to be woken.
//
// A request never waits for a busy worker while another rests: who takes one
// and leaves nobody waiting wakes a worker first. To wake one costs about as
// much as a request, so with each time more may wait; it is one fewer again
// after kCalm requests that needed none.
//
// A worker that is held up, since it waits for what another request has yet to
// bring about, must not be missed: a drop of pages waits for READs that nobody
// has taken yet, and the READs that are being answered wait for the drop
// (page_drops.h). So while one is held up there is always somebody to take a
// request, and if need be another worker is made.
//
// Thread-safe.

#ifndef WARMFS_FUSE_IDLE_WORKERS_H_
#define WARMFS_FUSE_IDLE_WORKERS_H_

#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace warmfs::fuse {

class IdleWorkers {
 public:
  // One to take a request, and one for what comes while it is worked on.
  static constexpr int kLeast = 2;
  static constexpr int kCalm = 256;

  // The calling worker is idle. Returns when it is to wait for a request, and
  // false at the end.
  bool Await() ABSL_LOCKS_EXCLUDED(mu_);
  // The calling worker, which waited, has a request. True: nobody is left to
  // take the next one while some are held up; another worker is to be made.
  bool Taken() ABSL_LOCKS_EXCLUDED(mu_);
  // The calling worker, which has a request, is held up; true as above.
  bool HeldUp() ABSL_LOCKS_EXCLUDED(mu_);
  void GoesOn() ABSL_LOCKS_EXCLUDED(mu_);
  // Nobody rests any more.
  void End() ABSL_LOCKS_EXCLUDED(mu_);

  size_t resting() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Resting {
    absl::CondVar wake;
    bool woken = false;
  };
  void WakeOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Where nobody waits, nobody rests.
  bool TooFew() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return held_up_ > 0 && waiting_ == 0 && !ended_;
  }

  absl::Mutex mu_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  int waiting_ ABSL_GUARDED_BY(mu_) = 0;  // those woken are among them
  int held_up_ ABSL_GUARDED_BY(mu_) = 0;
  int most_ ABSL_GUARDED_BY(mu_) = kLeast;
  int calm_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<Resting*> resting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_IDLE_WORKERS_H_
