// A watcher by watches on single objects, those that clients use: the watches,
// the journal of what happens there, and the thread that carries events from
// the one to the other.
//
// A lease. The caller takes the journal's head, has the directory watched
// (Lease), and then looks at it; each entry that can change by another way is
// watched as well and looked at again (watches.h, Cover). Whatever happens
// after the look is queued, and in the journal behind that head. The races:
//  - A change between head and watch: the look shows it.
//  - A change between watch and look: the look shows it, and an event tells a
//    state that is the same or newer.
//  - The watch is dropped, or all of them are, by another thread after Lease
//    found it: kRevoked, or the new epoch, comes behind the head that was taken
//    before. The client counts the lease as void. For this, whoever drops a
//    watch tells the journal after it, and never before.
//  - A fence is answered between the two, and events of what was dropped are
//    missing before it. That cannot be: watches are dropped by the drain
//    thread, which carries out both before it goes on to what the fence waits
//    for.
//
// A fence. Linux queues an event within the system call that causes it. Fence
// takes the position of the source's queue and waits until the drain thread has
// put everything up to there into the journal. Nothing is waited for that has
// not happened yet, and with nothing queued it does not wait at all.
//
// A pause. A client that works makes one event after the other, and to take
// each as it comes would cost as much as the work itself. After events that
// were all the clients' own the drain thread therefore waits own_pause before
// it takes more; a fence or an order to it ends the pause. What somebody else
// does meanwhile is told that much later.
//
// Thread-safe. Destroying it ends the drain thread.

#ifndef WARMFS_HOSTD_POSIX_OBJECT_WATCHER_H_
#define WARMFS_HOSTD_POSIX_OBJECT_WATCHER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hostd/claims.h"
#include "hostd/journal.h"
#include "hostd/posix/event_maker.h"
#include "hostd/posix/watch_source.h"
#include "hostd/posix/watches.h"
#include "hostd/watcher.h"

namespace warmfs::hostd {

class ObjectWatcher final : public Watcher {
 public:
  // `tree` and `budget` outlive it.
  ObjectWatcher(const Tree& tree, std::unique_ptr<WatchSource> source,
                const WatcherOptions& options,
                FdBudget& budget = FdBudget::Process());
  ~ObjectWatcher() override;

  // --- Watcher ---
  bool Lease(const Node& dir, const std::string& path) override;
  Covered Cover(int dir_fd, const Place& place, Attr* attr) override {
    return watches_.Cover(dir_fd, place, attr);
  }
  JournalPos head() const override { return journal_.head(); }
  NextReply Next(uint64_t client, const NextRequest& request) override;
  Reply Fence() ABSL_LOCKS_EXCLUDED(mu_) override;
  void Stop() ABSL_LOCKS_EXCLUDED(mu_) override;
  void Sweep(absl::Time now) ABSL_LOCKS_EXCLUDED(mu_) override;
  bool idle() const override { return watches_.size() == 0; }
  Claims& claims() override { return claims_; }

 private:
  void Drain() ABSL_LOCKS_EXCLUDED(mu_);
  void Pause() ABSL_LOCKS_EXCLUDED(mu_);
  // True if there was something, and all of it the clients' own work.
  bool Round() ABSL_LOCKS_EXCLUDED(mu_);
  void TakeMore();
  void DropAll();

  const WatcherOptions options_;
  const Tree& tree_;
  const std::unique_ptr<WatchSource> source_;
  Journal journal_;
  Claims claims_;
  Watches watches_;
  EventMaker maker_;  // the drain thread's

  // Taken and not yet worked on: the drain thread's.
  std::vector<RawEvent> pending_;

  absl::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  bool drop_all_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t processed_ ABSL_GUARDED_BY(mu_) = 0;  // position
  uint64_t fenced_ ABSL_GUARDED_BY(mu_) = 0;     // to which one is waited for
  absl::Time in_use_ ABSL_GUARDED_BY(mu_) = absl::Now();
  std::thread drain_;  // last
};

// For ExportOptions::watch; none if there is no source.
WatcherFactory WatchObjects(std::unique_ptr<WatchSource> source,
                            const WatcherOptions& options = {});

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_OBJECT_WATCHER_H_
