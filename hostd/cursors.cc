#include "hostd/cursors.h"

#include <utility>

namespace warmfs::hostd {

uint64_t Cursors::Add(std::unique_ptr<Listing> listing) {
  if (open_.size() >= kMaxOpen) open_.pop_front();
  FdSlot slot(budget_);
  if (!slot) return 0;
  open_.push_back({++last_cursor_, std::move(slot), std::move(listing)});
  return last_cursor_;
}

Listing* Cursors::Find(uint64_t cursor) {
  for (const Open& open : open_) {
    if (open.cursor == cursor) return open.listing.get();
  }
  return nullptr;
}

void Cursors::Close(uint64_t cursor) {
  std::erase_if(open_, [=](const Open& open) { return open.cursor == cursor; });
}

}  // namespace warmfs::hostd
