// The change journal of one export: the latest events in memory, under the
// rules of schema/ops_journal.h. Positions count up within an epoch; a new
// epoch has another, random journal id, starts at 0 and keeps nothing.
//
// A journal may go on where that of an earlier hostd was (subtree_source.h says
// how it can). Its events are then numbered from kLife behind that position, so
// that none has the number of one that the earlier hostd told of after it;
// whoever has read up to there or further goes on with the first of these.
//
// Bounded by events and by bytes: the oldest go, and a client that has not read
// them begins a new epoch of its own (Next answers new_epoch).
//
// Who is told `own` is decided when an event is handed out: the journal keeps
// for each event which client caused it, 0 for none.
//
// A client's own events are no news to it: alone they end its wait only after
// kOwnLinger, or in numbers, or when somebody has fenced. Otherwise each change
// that it makes would cost a second round trip.
//
// Thread-safe. Next waits without holding anybody up, and ends at Close.

#ifndef WARMFS_HOSTD_JOURNAL_H_
#define WARMFS_HOSTD_JOURNAL_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "schema/ops_journal.h"

namespace warmfs::hostd {

class Journal {
 public:
  struct Limits {
    size_t events = 256 * 1024;
    size_t bytes = 64 * 1024 * 1024;
  };
  // Of one Next, whatever its request says.
  static constexpr absl::Duration kLongestWait = absl::Seconds(30);
  static constexpr uint32_t kMostEvents = 4096;
  static constexpr size_t kMostBytes = 1024 * 1024;
  static constexpr absl::Duration kOwnLinger = absl::Milliseconds(50);
  static constexpr uint64_t kOwnBatch = 1024;

  struct Item {
    Event event;  // the sequence is the journal's business
    uint64_t owner = 0;
  };

  // How many events one hostd tells of at most behind what it has kept.
  static constexpr uint64_t kLife = uint64_t{1} << 40;

  // `earlier`: the position to go on from.
  explicit Journal(Limits limits, std::optional<JournalPos> earlier = {});

  JournalPos head() const ABSL_LOCKS_EXCLUDED(mu_);
  // The head, up to which nobody's events linger.
  JournalPos Fence() ABSL_LOCKS_EXCLUDED(mu_);
  // Moves the items out of the vector and leaves it empty.
  void Append(std::vector<Item>* items) ABSL_LOCKS_EXCLUDED(mu_);
  void NewEpoch() ABSL_LOCKS_EXCLUDED(mu_);
  // Whoever waits is answered, and nobody waits any more: ESHUTDOWN.
  void Close() ABSL_LOCKS_EXCLUDED(mu_);

  // Of one client only the latest call waits: an earlier one, whose connection
  // has gone perhaps, is answered without events.
  NextReply Next(uint64_t client, NextRequest request) ABSL_LOCKS_EXCLUDED(mu_);
  // Has anybody called Next since the last time this was asked, or waits now?
  bool TakeAsked() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // The same of this hostd's, if it is one of the earlier's.
  JournalPos Present(JournalPos pos) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool Knows(const JournalPos& pos) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool IsLatest(uint64_t client, uint64_t call) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // There is something after the position that the client should not wait for.
  bool IsNews(uint64_t client, const JournalPos& after) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void Await(uint64_t client, const NextRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Collect(uint64_t client, uint32_t most, NextReply* reply) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void DropOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StartEpoch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Limits limits_;
  mutable absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool asked_ ABSL_GUARDED_BY(mu_) = false;
  JournalPos head_ ABSL_GUARDED_BY(mu_);
  // Positions from the one on and before the other are the earlier hostd's.
  uint64_t earlier_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t first_ ABSL_GUARDED_BY(mu_) = 0;
  // Without a gap; the last one is head_'s.
  std::deque<Item> items_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t fenced_ ABSL_GUARDED_BY(mu_) = 0;
  // The last events are all last_owner_'s, from this one on.
  uint64_t last_owner_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t last_owner_from_ ABSL_GUARDED_BY(mu_) = 1;
  // The call of each client that may wait.
  uint64_t last_call_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<uint64_t, uint64_t> waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_JOURNAL_H_
