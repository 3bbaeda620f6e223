// What watchers of every kind have in common: the journal, and the drain
// thread, which carries events into it from wherever they are heard of.
//
// A fence. Whatever is heard of has positions (claims.h). Fence has the kind
// say which position everything that was done before the call is before, and
// waits until the drain thread has put everything up to there into the journal.
//
// A pause. A client that works makes one event after the other, and to take
// each as it comes would cost as much as the work itself. After events that
// were all the clients' own the drain thread therefore waits own_pause before
// it takes more; a fence or an order to it ends the pause. What somebody else
// does meanwhile is told that much later.
//
// Thread-safe. The kind starts the drain thread at the end of its constructor,
// and ends it at the start of its destructor.

#ifndef WARMFS_HOSTD_DRAINED_WATCHER_H_
#define WARMFS_HOSTD_DRAINED_WATCHER_H_

#include <cstdint>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hostd/claims.h"
#include "hostd/journal.h"
#include "hostd/watcher.h"

namespace warmfs::hostd {

class DrainedWatcher : public Watcher {
 public:
  // --- Watcher ---
  JournalPos head() const override { return journal_.head(); }
  Reply Fence() ABSL_LOCKS_EXCLUDED(mu_) override;
  void Stop() ABSL_LOCKS_EXCLUDED(mu_) override;
  void Sweep(absl::Time now) ABSL_LOCKS_EXCLUDED(mu_) override;
  Claims& claims() override { return claims_; }

 protected:
  // `queue` outlives it.
  DrainedWatcher(const WatcherOptions& options, EventQueue& queue);
  void StartDraining();
  void EndDraining();

  // Everything done before the call is at `*position` or before. An errno.
  virtual int FencePosition(uint64_t* position) = 0;
  virtual void Wake() = 0;
  // The drain thread's: waits until there may be something for Round, or Wake.
  virtual void WaitForEvents() = 0;
  // True if there was something, and all of it the clients' own work.
  virtual bool Round() = 0;
  // All watches end, and a new epoch begins.
  virtual void DropAll() = 0;

  // Everything up to there is in the journal.
  void Processed(uint64_t position) ABSL_LOCKS_EXCLUDED(mu_);

  const WatcherOptions options_;
  Journal journal_;
  Claims claims_;

 private:
  void Drain() ABSL_LOCKS_EXCLUDED(mu_);
  void Pause() ABSL_LOCKS_EXCLUDED(mu_);

  absl::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  bool drop_all_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t processed_ ABSL_GUARDED_BY(mu_) = 0;  // position
  uint64_t fenced_ ABSL_GUARDED_BY(mu_) = 0;     // to which one is waited for
  absl::Time in_use_ ABSL_GUARDED_BY(mu_) = absl::Now();
  std::thread drain_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_DRAINED_WATCHER_H_
