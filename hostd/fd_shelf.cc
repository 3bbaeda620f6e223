#include "hostd/fd_shelf.h"

#include <iterator>
#include <utility>

#include "hostd/file.h"

namespace warmfs::hostd {

FdSlot FdShelf::MakeRoom(Gone* gone) {
  FdSlot slot;
  if (size() < capacity_) slot = FdSlot(budget_);
  if (!slot && size() > 0) {
    Item& oldest = oldest_first_.front();
    *gone = {oldest.id, std::move(oldest.held.fd)};
    Drop(gone->id);
    slot = FdSlot(budget_);
  }
  return slot;
}

FdShelf::Gone FdShelf::Keep(const FileId& id, UniqueFd fd) {
  Gone gone;
  if (by_id_.contains(id)) return gone;
  FdSlot slot = MakeRoom(&gone);
  if (!slot) return gone;
  oldest_first_.push_back({id, {std::move(slot), std::move(fd)}});
  by_id_[id] = std::prev(oldest_first_.end());
  return gone;
}

UniqueFd FdShelf::Duplicate(const FileId& id) const {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return {};
  UniqueFd copy;
  hostd::Duplicate(it->second->held.fd.get(), &copy);
  return copy;
}

void FdShelf::Drop(const FileId& id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  oldest_first_.erase(it->second);
  by_id_.erase(it);
}

}  // namespace warmfs::hostd
