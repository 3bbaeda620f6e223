// Files that are likely to be read next, kept readable for a while after the
// host has replaced or deleted them: what a client was just told of, or has
// read in part. A program of the host that has such a file open reads on; one
// in the VM has it open without hostd being asked (an open that is warm sends
// nothing), so hostd holds it in its stead.
//
// Not for longer than is needed: a file that is held is freed late, and so are
// the host's watchers told late that it is gone (IN_DELETE_SELF). The oldest go
// first, and none stays for more than two terms after it was kept.
//
// Thread-safe; owns the descriptors. Keeps nothing where a pin is in the way of
// the host's own programs (PinsAreUnnoticed).

#ifndef WARMFS_HOSTD_RECENT_FILES_H_
#define WARMFS_HOSTD_RECENT_FILES_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "hostd/fd_budget.h"
#include "hostd/fd_shelf.h"
#include "schema/types.h"

namespace warmfs::hostd {

class RecentFiles {
 public:
  static constexpr size_t kMost = 256;  // of each term
  static constexpr absl::Duration kTerm = absl::Seconds(5);

  // `budget` outlives this object.
  explicit RecentFiles(FdBudget& budget = FdBudget::Process())
      : budget_(budget) {}

  void Keep(const FileId& id, UniqueFd pin) ABSL_LOCKS_EXCLUDED(mu_);
  // A duplicate of the pin, empty if there is none.
  UniqueFd Find(const FileId& id) const ABSL_LOCKS_EXCLUDED(mu_);
  // Called now and then: with a new term, what is of the one before the last
  // goes.
  void Sweep(absl::Time now) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  std::unique_ptr<FdShelf> NewTerm() const {
    return std::make_unique<FdShelf>(kMost, budget_);
  }

  FdBudget& budget_;
  mutable absl::Mutex mu_;
  std::unique_ptr<FdShelf> this_term_ ABSL_GUARDED_BY(mu_) = NewTerm();
  std::unique_ptr<FdShelf> last_term_ ABSL_GUARDED_BY(mu_) = NewTerm();
  absl::Time began_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_RECENT_FILES_H_
