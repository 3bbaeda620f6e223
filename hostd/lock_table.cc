#include "hostd/lock_table.h"

#include <algorithm>
#include <vector>

#include "schema/linux_abi.h"

namespace warmfs::hostd {

LockTable::Range LockTable::RangeOf(Client client, const LockRequest& request) {
  Range range{client, request.owner, request.type, 0, UINT64_MAX};
  if (request.kind == LockKind::kFlock) return range;
  range.start = request.start;
  if (request.length != 0) range.end = request.start + request.length;
  return range;
}

const LockTable::Range* LockTable::InTheWay(const Ranges& all,
                                            const Range& wanted) {
  for (const Range& range : all) {
    if (range.IsOf(wanted.client, wanted.owner)) continue;
    const bool both_read =
        range.type == LockType::kRead && wanted.type == LockType::kRead;
    if (!both_read && range.Meets(wanted)) return &range;
  }
  return nullptr;
}

int64_t LockTable::Carve(Ranges* all, Range* wanted) {
  Ranges rest;
  for (const Range& range : *all) {
    const bool own = range.IsOf(wanted->client, wanted->owner);
    const bool touches =
        range.start <= wanted->end && wanted->start <= range.end;
    if (!own || !touches) {
      rest.push_back(range);
    } else if (range.type == wanted->type) {
      wanted->start = std::min(wanted->start, range.start);
      wanted->end = std::max(wanted->end, range.end);
    } else {
      Range left = range, right = range;
      left.end = std::min(range.end, wanted->start);
      right.start = std::max(range.start, wanted->end);
      if (left.start < left.end) rest.push_back(left);
      if (right.start < right.end) rest.push_back(right);
    }
  }
  all->swap(rest);
  return static_cast<int64_t>(all->size()) - static_cast<int64_t>(rest.size());
}

int LockTable::Set(Client client, const LockRequest& request) {
  Range wanted = RangeOf(client, request);
  const bool unlock = wanted.type == LockType::kUnlock;
  const Object object{request.node.id, request.kind};
  absl::MutexLock lock(&mu_);
  Ranges& all = objects_[object];
  // One that is taken out of another's middle leaves two.
  int error = 0;
  if (!unlock && counts_[client] + 2 > kMostOfClient) error = kENOLCK;
  if (!unlock && InTheWay(all, wanted) != nullptr) error = kEAGAIN;
  if (error == 0) {
    counts_[client] += static_cast<size_t>(Carve(&all, &wanted) + !unlock);
    if (!unlock) all.push_back(wanted);
  }
  if (all.empty()) objects_.erase(object);
  return error;
}

LockReply LockTable::Test(Client client, const LockRequest& request) const {
  LockReply reply;
  absl::MutexLock lock(&mu_);
  const auto it = objects_.find(Object{request.node.id, request.kind});
  if (it == objects_.end()) return reply;
  const Range* const found = InTheWay(it->second, RangeOf(client, request));
  if (found == nullptr) return reply;
  reply.type = found->type;
  reply.start = found->start;
  reply.length = found->end == UINT64_MAX ? 0 : found->end - found->start;
  return reply;
}

void LockTable::Drop(Client client) {
  absl::MutexLock lock(&mu_);
  counts_.erase(client);
  absl::erase_if(objects_, [&](auto& object) {
    std::erase_if(object.second,
                  [&](const Range& range) { return range.client == client; });
    return object.second.empty();
  });
}

size_t LockTable::size(Client client) const {
  absl::MutexLock lock(&mu_);
  const auto it = counts_.find(client);
  return it == counts_.end() ? 0 : it->second;
}

}  // namespace warmfs::hostd
