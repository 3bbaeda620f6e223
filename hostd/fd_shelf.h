// Descriptors kept by the FileId of their object, a bounded number of them: at
// the limit, or when the budget is used up, the oldest goes.
//
// Thread-compatible; owns the descriptors.

#ifndef WARMFS_HOSTD_FD_SHELF_H_
#define WARMFS_HOSTD_FD_SHELF_H_

#include <cstddef>
#include <list>

#include "absl/container/flat_hash_map.h"
#include "hostd/fd_budget.h"
#include "schema/types.h"

namespace warmfs::hostd {

class FdShelf {
 public:
  FdShelf(size_t capacity, FdBudget& budget)
      : capacity_(capacity), budget_(budget) {}

  struct Gone {
    FileId id;
    UniqueFd fd;
  };

  // Keeps one descriptor for each id: the one that is there already stays. What
  // goes for it, to be closed by the caller; without a descriptor if nothing.
  Gone Keep(const FileId& id, UniqueFd fd);
  // A duplicate; empty if there is none.
  UniqueFd Duplicate(const FileId& id) const;
  void Drop(const FileId& id);
  bool Has(const FileId& id) const { return by_id_.contains(id); }
  size_t size() const { return by_id_.size(); }

 private:
  struct Item {
    FileId id;
    HeldFd held;
  };

  // Takes a slot, at the price of the oldest if need be.
  FdSlot MakeRoom(Gone* gone);

  const size_t capacity_;
  FdBudget& budget_;
  std::list<Item> oldest_first_;
  absl::flat_hash_map<FileId, std::list<Item>::iterator> by_id_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_FD_SHELF_H_
