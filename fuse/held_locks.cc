#include "fuse/held_locks.h"

#include <algorithm>

namespace warmfs::fuse {
namespace {

constexpr uint64_t kToTheEnd = UINT64_MAX;

// flock knows no ranges.
uint64_t StartOf(const LockRequest& lock) {
  return lock.kind == LockKind::kFlock ? 0 : lock.start;
}

uint64_t EndOf(const LockRequest& lock) {
  const bool whole = lock.kind == LockKind::kFlock || lock.length == 0;
  return whole ? kToTheEnd : lock.start + lock.length;
}

}  // namespace

void HeldLocks::Cut(Ranges& ranges, uint64_t start, uint64_t end) {
  auto it = ranges.lower_bound(start);
  if (it != ranges.begin() && std::prev(it)->second.end > start) --it;
  while (it != ranges.end() && it->first < end) {
    const auto [from, range] = *it;
    it = ranges.erase(it);
    if (from < start) {
      ranges.emplace(from, range).first->second.end = start;
    }
    if (range.end > end) ranges.emplace(end, range);
  }
}

// Where nothing is any more; joined with what is alike on either side.
void HeldLocks::Insert(Ranges& ranges, uint64_t start, Range range) {
  const auto alike = [&](const Range& other) {
    return other.type == range.type && other.error == range.error;
  };
  auto it = ranges.lower_bound(start);
  if (it != ranges.end() && it->first == range.end && alike(it->second)) {
    range.end = it->second.end;
    it = ranges.erase(it);
  }
  if (it != ranges.begin() && std::prev(it)->second.end == start &&
      alike(std::prev(it)->second)) {
    std::prev(it)->second.end = range.end;
    return;
  }
  ranges.emplace(start, range);
}

bool HeldLocks::Add(NodeId node, const LockRequest& lock,
                    uint64_t incarnation) {
  absl::MutexLock l(&mu_);
  if (incarnation_ == 0) incarnation_ = incarnation;
  if (incarnation != incarnation_) return false;
  Ranges& ranges = held_[{node, lock.owner, lock.kind}];
  ranges_ -= ranges.size();
  Cut(ranges, StartOf(lock), EndOf(lock));
  Insert(ranges, StartOf(lock), {.end = EndOf(lock), .type = lock.type});
  ranges_ += ranges.size();
  return true;
}

bool HeldLocks::Drop(NodeId node, const LockRequest& lock) {
  absl::MutexLock l(&mu_);
  const auto it = held_.find({node, lock.owner, lock.kind});
  if (it == held_.end()) return false;
  Ranges& ranges = it->second;
  ranges_ -= ranges.size();
  Cut(ranges, StartOf(lock), EndOf(lock));
  ranges_ += ranges.size();
  if (StartOf(lock) == 0 && EndOf(lock) == kToTheEnd) held_.erase(it);
  return true;
}

void HeldLocks::Doubt(NodeId node, const LockRequest& lock) {
  absl::MutexLock l(&mu_);
  held_.try_emplace({node, lock.owner, lock.kind});
}

std::vector<HeldLock> HeldLocks::Follow(uint64_t incarnation) {
  absl::MutexLock lock(&mu_);
  incarnation_ = incarnation;
  return Select(/*lost=*/false);
}

void HeldLocks::Lose(const HeldLock& lock, int error) {
  absl::MutexLock l(&mu_);
  const LockRequest& r = lock.request;
  const auto it = held_.find({lock.node, r.owner, r.kind});
  if (it == held_.end()) return;
  for (auto& [start, range] : it->second) {
    if (start >= StartOf(r) && range.end <= EndOf(r)) range.error = error;
  }
}

size_t HeldLocks::size() const {
  absl::MutexLock lock(&mu_);
  return ranges_;
}

std::vector<HeldLock> HeldLocks::lost() const {
  absl::MutexLock lock(&mu_);
  return Select(/*lost=*/true);
}

std::vector<HeldLock> HeldLocks::Select(bool lost) const {
  std::vector<HeldLock> selected;
  for (const auto& [key, ranges] : held_) {
    for (const auto& [start, range] : ranges) {
      if ((range.error != 0) != lost) continue;
      HeldLock& held = selected.emplace_back();
      std::tie(held.node, held.request.owner, held.request.kind) = key;
      held.request.type = range.type;
      held.request.start = start;
      held.request.length = range.end == kToTheEnd ? 0 : range.end - start;
      held.error = range.error;
    }
  }
  return selected;
}

}  // namespace warmfs::fuse
