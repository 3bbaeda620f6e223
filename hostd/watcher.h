// What makes leases possible: watches on what clients use, the journal of what
// happens there, and the thread that carries events from the one to the other.
// One for each export.
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

#ifndef WARMFS_HOSTD_WATCHER_H_
#define WARMFS_HOSTD_WATCHER_H_

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
#include "hostd/event_maker.h"
#include "hostd/journal.h"
#include "hostd/tree.h"
#include "hostd/watch_source.h"
#include "hostd/watches.h"

namespace warmfs::hostd {

struct WatcherOptions {
  uint32_t max_watches = UINT32_MAX;  // and half of the descriptors to be held
  Journal::Limits journal;
  // After so long without a client that asks for events all watches end.
  absl::Duration lease_grace = absl::Minutes(10);
  absl::Duration own_pause = absl::Milliseconds(2);
};

class Watcher {
 public:
  // `tree` and `budget` outlive it.
  Watcher(const Tree& tree, std::unique_ptr<WatchSource> source,
          const WatcherOptions& options,
          FdBudget& budget = FdBudget::Process());
  ~Watcher();

  // Watches a directory, whose path beneath the export is `path`. False: it
  // cannot be watched.
  bool Lease(const Node& dir, const std::string& path);
  // Of an entry of a leased directory: see Watches::Cover.
  Watches::Covered Cover(int dir_fd, const Watches::Place& place, Attr* attr) {
    return watches_.Cover(dir_fd, place, attr);
  }

  JournalPos head() const { return journal_.head(); }
  NextReply Next(uint64_t client, const NextRequest& request);
  // error: ESHUTDOWN, or ETIMEDOUT if the file system does not answer.
  Reply Fence() ABSL_LOCKS_EXCLUDED(mu_);
  // Whoever waits here is answered, and nobody waits any more.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);
  // Called now and then: when the time of grace is over, the drain thread ends
  // all watches and begins a new epoch.
  void Sweep(absl::Time now) ABSL_LOCKS_EXCLUDED(mu_);

  // Nothing is watched: no change needs a claim.
  bool idle() const { return watches_.size() == 0; }
  Claims& claims() { return claims_; }

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

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WATCHER_H_
