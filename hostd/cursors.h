// The listings that one connection has begun and not finished. A few of them:
// one more closes the oldest, whose client then sees ESTALE and starts again.
//
// Thread-compatible: belongs to its connection's thread. Owns the listings.

#ifndef WARMFS_HOSTD_CURSORS_H_
#define WARMFS_HOSTD_CURSORS_H_

#include <cstdint>
#include <deque>
#include <memory>

#include "hostd/fd_budget.h"
#include "hostd/listing.h"

namespace warmfs::hostd {

class Cursors {
 public:
  static constexpr size_t kMaxOpen = 4;

  // `budget` outlives this object.
  explicit Cursors(FdBudget& budget = FdBudget::Process()) : budget_(budget) {}

  // The cursor by which it is found again; 0 if no descriptor may be held.
  uint64_t Add(std::unique_ptr<Listing> listing);
  // Null if the cursor is dead.
  Listing* Find(uint64_t cursor);
  void Close(uint64_t cursor);
  size_t size() const { return open_.size(); }

 private:
  struct Open {
    uint64_t cursor;
    FdSlot slot;
    std::unique_ptr<Listing> listing;
  };

  FdBudget& budget_;
  uint64_t last_cursor_ = 0;
  std::deque<Open> open_;  // the oldest first
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_CURSORS_H_
