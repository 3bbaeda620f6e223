// Decides which directories to list before somebody asks for them.
//
// Concept. Who lists one directory after the other will list those that he has
// been told of by the listings so far. They are kept in the order in which a
// walk that goes down first comes to them: what is in a directory has its place
// beside it, in the order of readdir, and the walk goes on from where it is, in
// one direction or the other (a program that puts what it finds on a stack
// begins with the last). From the third listing on that nobody had foreseen,
// the next ones are asked for by another (ahead_fetcher.h), while he is in
// those before them. There are never more of them that he has not come to than
// `most_`, which is twice as many each time that so many were wanted. If he
// asks for another while more than half of them are there and left, it begins
// anew: what is wasted is that number, and the host is asked for no directory
// twice.
//
// Thread-safe. `work` is called, without a lock, when there is something to
// take. Bounded: remembers kMostKnown directories.

#ifndef WARMFS_FUSE_SCOUT_H_
#define WARMFS_FUSE_SCOUT_H_

#include <functional>
#include <list>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "fuse/clock.h"
#include "schema/ops.h"

namespace warmfs::fuse {

class Scout {
 public:
  static constexpr size_t kMostKnown = 4096;
  static constexpr size_t kMostAhead = 128;
  static constexpr Instant kWithin = 2'000'000'000;

  explicit Scout(std::function<void()> work) : work_(std::move(work)) {}

  // `dir` is asked for, since somebody wants it and it was not foreseen.
  void Unforeseen(const FileId& dir, Instant now) ABSL_LOCKS_EXCLUDED(mu_);
  // What there is in a directory: one that was asked for, or was taken.
  void Listed(const NodeRef& dir, absl::Span<const DirEntry> entries)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Those to list now.
  std::vector<NodeRef> Take() ABSL_LOCKS_EXCLUDED(mu_);
  // What became of each of them: it is listed; still to be; need not be; could
  // not be, so that it begins anew.
  void Came(const FileId& dir) ABSL_LOCKS_EXCLUDED(mu_);
  void LeftOff(const FileId& dir) ABSL_LOCKS_EXCLUDED(mu_);
  void GaveUp(const FileId& dir) ABSL_LOCKS_EXCLUDED(mu_);
  void Refused(const FileId& dir) ABSL_LOCKS_EXCLUDED(mu_);
  // Somebody wants what came.
  void Wanted(const FileId& dir, Instant now) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  enum class State { kKnown, kTaken, kCame };
  struct Known {
    NodeRef ref;
    State state = State::kKnown;
  };
  using Place = std::list<Known>::iterator;

  size_t CountOf(State state) const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return counts_[static_cast<size_t>(state)];
  }
  size_t ahead() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return CountOf(State::kTaken) + CountOf(State::kCame);
  }
  bool MayTake() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return most_ > 0 && 2 * ahead() <= most_ && CountOf(State::kKnown) > 0;
  }
  // Null: not known.
  Known* Find(const FileId& dir) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Set(Known& known, State state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Insert(Place before, NodeRef ref) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Place Erase(Place place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The walk is there now.
  void GoTo(const FileId& dir) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CallForWork() ABSL_LOCKS_EXCLUDED(mu_);

  const std::function<void()> work_;
  absl::Mutex mu_;
  Instant last_ ABSL_GUARDED_BY(mu_) = 0;
  int unforeseen_ ABSL_GUARDED_BY(mu_) = 0;  // one soon after the other
  size_t most_ ABSL_GUARDED_BY(mu_) = 0;
  size_t wanted_ ABSL_GUARDED_BY(mu_) = 0;  // since `most_` was changed
  std::list<Known> known_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<FileId, Place> places_ ABSL_GUARDED_BY(mu_);
  size_t counts_[3] ABSL_GUARDED_BY(mu_) = {};
  // Where the walk is: what is in the last directory that was asked for is from
  // the one to before the other, nothing if it is not listed yet or empty.
  Place from_ ABSL_GUARDED_BY(mu_) = known_.end();
  Place to_ ABSL_GUARDED_BY(mu_) = known_.end();
  bool backward_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_SCOUT_H_
