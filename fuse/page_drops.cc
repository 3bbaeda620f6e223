#include "fuse/page_drops.h"

namespace warmfs::fuse {

void PageDrops::Want(NodeId node) {
  if (node == 0) return;
  absl::MutexLock lock(&mu_);
  const auto [it, is_new] = states_.try_emplace(node);
  if (is_new) it->second.done = last_;  // nothing was pending
  it->second.wanted = ++last_;
}

bool PageDrops::Pending(NodeId node) const {
  absl::MutexLock lock(&mu_);
  return states_.contains(node);
}

void PageDrops::Reach(NodeId node, uint64_t page) {
  absl::MutexLock lock(&mu_);
  const auto it = states_.find(node);
  if (it == states_.end()) return;
  State& state = it->second;
  if (state.page == kNowhere) state.under_way = state.wanted;
  state.page = page;
}

void PageDrops::Finish(NodeId node) {
  absl::MutexLock lock(&mu_);
  const auto it = states_.find(node);
  if (it == states_.end()) return;
  State& state = it->second;
  state.page = kNowhere;
  state.done = state.under_way;
  if (state.done == state.wanted) states_.erase(it);
}

void PageDrops::Carry(NodeId node, uint64_t bytes, Drop drop) {
  uint64_t page = (bytes + kPageBytes - 1) / kPageBytes;
  if (bytes > kMostPages * kPageBytes) page = 0;
  Reach(node, page);
  drop(page * kPageBytes, 0);  // whatever lies beyond, too
  while (page > 0) {
    Reach(node, --page);
    drop(page * kPageBytes, kPageBytes);
  }
  Finish(node);
}

bool PageDrops::AwaitAbove(NodeId node, uint64_t page,
                           absl::Duration limit) const {
  absl::MutexLock lock(&mu_);
  const auto found = states_.find(node);
  if (found == states_.end()) return true;
  const uint64_t wanted = found->second.wanted;
  const auto dropped = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const auto it = states_.find(node);
    if (it == states_.end() || it->second.done >= wanted) return true;
    return it->second.under_way >= wanted && it->second.page <= page;
  };
  return mu_.AwaitWithTimeout(absl::Condition(&dropped), limit);
}

}  // namespace warmfs::fuse
