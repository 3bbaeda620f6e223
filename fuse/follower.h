// Follows the host's journal: a thread with a connection of its own that asks
// for events, has them taken in (applier.h), and keeps the leases' epoch.
//
// States. Not following: nothing counts as leased, the ttl holds. At the start,
// or after the connection broke: the host is asked for a fence, and the events
// up to there are taken in from the cursor that the cache has; from then on
// leases of this journal count again. When the host cannot tell what happened
// since the cursor (a new epoch), all leases are void: directories that the
// kernel keeps names of are listed again by a second thread (the revalidator),
// each once, or by whoever uses one first, and what differs is raised for the
// watchers. So is one whose lease the host has revoked, for otherwise those who
// watch it would be told of nothing until somebody looks there.
//
// While the host is away, what was leased is served as it was last known, as
// the kernel does with what it holds; the status says that the host is away.
//
// Thread rule: Start once; the destructor ends both threads; the rest from any
// thread. `fs`, `remote` and `notifier` outlive it.

#ifndef WARMFS_FUSE_FOLLOWER_H_
#define WARMFS_FUSE_FOLLOWER_H_

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fuse/applier.h"
#include "fuse/file_system.h"
#include "fuse/notifier.h"
#include "rpc/channel.h"
#include "rpc/channel_group.h"
#include "rpc/remote.h"
#include "rpc/stats.h"

namespace warmfs::fuse {

class Follower {
 public:
  struct Counters {
    bool following = false;
    JournalPos cursor;
    uint64_t events = 0;       // taken in
    uint64_t own = 0;          // of these, echoes of this client
    uint64_t epochs = 0;       // begun since the start
    size_t to_revalidate = 0;  // directories
    // As the host last said.
    uint64_t watches = 0;
    uint64_t refused = 0;
    uint64_t overflows = 0;
  };

  Follower(rpc::Remote& remote, FileSystem& fs, Notifier& notifier,
           Applier::Observer observer);
  ~Follower();

  void Start();
  // Takes nothing in any more. Its object has to outlive the notifier, which
  // may still call it.
  void Stop();
  // Until leases count, at most so long; false if they do not.
  bool AwaitFollowing(absl::Duration limit) const;
  // Every change made on the host before the call is taken in, and the kernel
  // has dropped what it made untrue. DeadlineExceeded; Unavailable if the host
  // cannot be asked. The answer is the position.
  absl::StatusOr<JournalPos> Fence(rpc::Channel& host, absl::Time deadline);

  Counters counters() const;
  // From the host's taking an event to the kernel's having dropped what it made
  // untrue. The two clocks are taken to agree.
  const rpc::LatencyHistogram& lag() const { return lag_; }

 private:
  void Follow();
  void Revalidate();
  // False: the host could not be asked.
  bool CatchUp(rpc::Channel& host);
  bool Step(rpc::Channel& host, absl::Duration wait);
  void BeginEpoch(const JournalPos& head);
  void TakeIn(const NextReply& reply);
  void KeepCursor(const JournalPos& cursor);
  void Following(uint64_t journal);
  bool stopped() const {
    absl::MutexLock lock(&mu_);
    return stop_;
  }

  rpc::ChannelGroup channels_;
  FileSystem& fs_;
  Notifier& notifier_;
  Applier applier_;
  rpc::LatencyHistogram lag_;
  mutable absl::Mutex mu_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  bool revalidating_ ABSL_GUARDED_BY(mu_) = false;
  Counters counters_ ABSL_GUARDED_BY(mu_);
  std::deque<NodeId> to_revalidate_ ABSL_GUARDED_BY(mu_);
  std::thread follower_;
  std::thread revalidator_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_FOLLOWER_H_
