#include "hostd/fd_shelf.h"

#include <fcntl.h>

#include <iterator>
#include <utility>

namespace warmfs::hostd {

FdSlot FdShelf::MakeRoom() {
  FdSlot slot;
  if (size() < capacity_) slot = FdSlot(budget_);
  if (!slot && size() > 0) {
    Drop(FileId(oldest_first_.front().id));  // a copy: the item goes
    slot = FdSlot(budget_);
  }
  return slot;
}

void FdShelf::Keep(const FileId& id, UniqueFd fd) {
  if (by_id_.contains(id)) return;
  FdSlot slot = MakeRoom();
  if (!slot) return;
  oldest_first_.push_back({id, {std::move(slot), std::move(fd)}});
  by_id_[id] = std::prev(oldest_first_.end());
}

UniqueFd FdShelf::Duplicate(const FileId& id) const {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return {};
  return UniqueFd(fcntl(it->second->held.fd.get(), F_DUPFD_CLOEXEC, 0));
}

void FdShelf::Drop(const FileId& id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  oldest_first_.erase(it->second);
  by_id_.erase(it);
}

}  // namespace warmfs::hostd
