// Raises genuine inotify events in this kernel for what happened on the host,
// by doing it once more on the mount (docs/events.md).
//
// Concept. inotify knows only what passes through this kernel's VFS. A thread
// of the injector, a hand, makes the system call that raises just the event
// wanted; the FUSE workers answer what the kernel asks on its behalf from a
// plan and tell the host nothing (injection_plan.h, injected_call.h).
//
// The calls are made one after the other in the order of Push, each once. A
// call may have to wait in the kernel: for the lock of a directory that an
// application's request holds, and with it for the host. When a call has not
// returned by its deadline it is left to itself and another hand goes on; what
// it raises when it returns at last comes out of order, and is not raised
// again. With kMaxStuck hands left so, the last one is waited for.
//
// Nothing waits for the injector but those who ask to (AwaitDelivered): Push
// never blocks, and what does not fit into the queue is dropped and counted.
//
// Thread-safe; Start, and the destructor, once. The destructor waits for all
// hands, so the session must have ended, or serve on, until it returns. Holds
// no lock while it makes a call or a callback.

#ifndef WARMFS_FUSE_INJECTOR_H_
#define WARMFS_FUSE_INJECTOR_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fuse/file_system.h"
#include "fuse/injected_call.h"
#include "fuse/injection.h"
#include "fuse/injection_plan.h"
#include "fuse/mount_view.h"

namespace warmfs::fuse {

inline constexpr size_t kInjectionKinds = 9;
std::string_view InjectionName(InjectionKind kind);

struct InjectorOptions {
  std::string mountpoint;
  absl::Duration call_deadline = absl::Seconds(2);
  // About 400 bytes each. inotify itself holds 16,384 events for a watcher.
  size_t max_queue = 64 * 1024;
  // Called on a hand's thread after each call; error 0: raised.
  std::function<void(const Injection&, int error)> on_raised =
      [](const Injection&, int) {};
};

struct InjectorCounters {
  std::array<uint64_t, kInjectionKinds> raised = {};  // by InjectionKind
  uint64_t dropped = 0;                               // the queue was full
  uint64_t unseen = 0;             // the kernel does not know the directory
  uint64_t overdue = 0;            // calls that passed their deadline
  std::map<int, uint64_t> failed;  // by errno
};

class Injector {
 public:
  static constexpr size_t kMaxStuck = InjectionPlans::kMaxHands - 1;

  // `invalidate_entry`: Session::InvalidateEntry. `fs` and `plans` outlive it.
  Injector(InjectorOptions options, FileSystem& fs, InjectionPlans& plans,
           InjectedCall::Invalidate invalidate_entry);
  ~Injector();

  // The mount is there. Until then, pushed injections wait.
  absl::Status Start();
  // Raises nothing more, and lets go of the mount. Returns at once.
  void Stop();

  void Push(Injection injection);

  // Whether all that was pushed with this sequence or an earlier one has been
  // raised, or given up.
  bool Drained(uint64_t sequence) const;
  // False if not by the deadline.
  bool AwaitDelivered(uint64_t sequence, absl::Time deadline) const;

  InjectorCounters counters() const;
  size_t depth() const;  // queued, and under way

 private:
  // Numbers pushes from 1; what is done is done in this order.
  using Ticket = uint64_t;
  struct Job {
    Ticket ticket = 0;
    Injection injection;
  };
  struct Hand {
    std::thread thread;
    bool stuck = false;
    bool ended = false;
    // Of the call under way; 0: none.
    Ticket ticket = 0;
    uint64_t sequence = 0;
    absl::Time begun;
  };

  void AddHand() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Work(Hand& hand);
  bool Take(Hand& hand, MountView& view, Job& job);
  // An errno, or nothing if nobody can see it.
  std::optional<int> Perform(MountView& view, const Injection& injection);
  void Supervise();
  void JoinEnded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The call under way, of the hand that takes jobs.
  const Hand* Busy() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool AnyEnded() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool StopOrEnded() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || AnyEnded();
  }
  bool BusyOrEnded() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return Busy() != nullptr || StopOrEnded();
  }
  Ticket TicketOf(uint64_t sequence) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // All tickets below this are done, or given up.
  Ticket FirstPending() const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const InjectorOptions options_;
  FileSystem& fs_;
  InjectionPlans& plans_;
  const InjectedCall::Invalidate invalidate_entry_;
  MountedAt mount_;  // set by Start, before any hand

  mutable absl::Mutex mu_;
  std::deque<Job> queue_ ABSL_GUARDED_BY(mu_);
  Ticket last_ticket_ ABSL_GUARDED_BY(mu_) = 0;
  std::list<Hand> hands_ ABSL_GUARDED_BY(mu_);  // the last one takes jobs
  InjectorCounters counters_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread supervisor_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_INJECTOR_H_
