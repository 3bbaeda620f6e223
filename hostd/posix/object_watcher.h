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
// A fence. Linux queues an event within the system call that causes it. So the
// position of the source's queue is the fence's. Nothing is waited for that has
// not happened yet, and with nothing queued it does not wait at all.
//
// Thread-safe. Destroying it ends the drain thread.

#ifndef WARMFS_HOSTD_POSIX_OBJECT_WATCHER_H_
#define WARMFS_HOSTD_POSIX_OBJECT_WATCHER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hostd/drained_watcher.h"
#include "hostd/posix/event_maker.h"
#include "hostd/posix/watch_source.h"
#include "hostd/posix/watches.h"

namespace warmfs::hostd {

class ObjectWatcher final : public DrainedWatcher {
 public:
  // `tree` and `budget` outlive it.
  ObjectWatcher(const Tree& tree, std::unique_ptr<WatchSource> source,
                const WatcherOptions& options,
                FdBudget& budget = FdBudget::Process());
  ~ObjectWatcher() override { EndDraining(); }

  // --- Watcher ---
  bool Lease(const Node& dir, const std::string& path) override;
  Covered Cover(int dir_fd, const Place& place, Attr* attr) override {
    return watches_.Cover(dir_fd, place, attr);
  }
  NextReply Next(uint64_t client, const NextRequest& request) override;
  bool idle() const override { return watches_.size() == 0; }

 private:
  // --- DrainedWatcher ---
  int FencePosition(uint64_t* position) override {
    *position = source_->Mark();
    return 0;
  }
  void Wake() override { source_->Wake(); }
  void WaitForEvents() override;
  bool Round() override;
  void DropAll() override;

  void TakeMore();

  const Tree& tree_;
  const std::unique_ptr<WatchSource> source_;
  Watches watches_;
  EventMaker maker_;  // the drain thread's

  // Taken and not yet worked on: the drain thread's.
  std::vector<RawEvent> pending_;
};

// For ExportOptions::watch; none if there is no source.
WatcherFactory WatchObjects(std::unique_ptr<WatchSource> source,
                            const WatcherOptions& options = {});

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_OBJECT_WATCHER_H_
