#include "hostd/journal.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "hostd/random.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

size_t BytesOf(const Journal::Item& item) {
  return sizeof(item) + item.event.name.size() + item.event.target.size();
}

}  // namespace

Journal::Journal(Limits limits, std::optional<JournalPos> earlier)
    : limits_(limits) {
  absl::MutexLock lock(&mu_);
  StartEpoch();
  if (!earlier) return;
  earlier_ = earlier->sequence;
  first_ = earlier_ + kLife;
  head_ = {earlier->journal_id, first_};
}

void Journal::StartEpoch() {
  head_ = {.journal_id = RandomNumber(), .sequence = 0};
  items_.clear();
  bytes_ = fenced_ = last_owner_ = earlier_ = first_ = 0;
  last_owner_from_ = 1;
}

JournalPos Journal::head() const {
  absl::MutexLock lock(&mu_);
  return head_;
}

JournalPos Journal::Fence() {
  absl::MutexLock lock(&mu_);
  fenced_ = head_.sequence;
  return head_;
}

void Journal::DropOldest() {
  bytes_ -= BytesOf(items_.front());
  items_.pop_front();
}

void Journal::Append(std::vector<Item>* items) {
  absl::MutexLock lock(&mu_);
  for (Item& item : *items) {
    item.event.sequence = ++head_.sequence;
    if (std::exchange(last_owner_, item.owner) != item.owner) {
      last_owner_from_ = head_.sequence;
    }
    bytes_ += BytesOf(item);
    items_.push_back(std::move(item));
  }
  items->clear();
  while (items_.size() > limits_.events || bytes_ > limits_.bytes) DropOldest();
}

void Journal::NewEpoch() {
  absl::MutexLock lock(&mu_);
  StartEpoch();
}

void Journal::Close() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
}

bool Journal::TakeAsked() {
  absl::MutexLock lock(&mu_);
  return std::exchange(asked_, false) || !waiting_.empty();
}

JournalPos Journal::Present(JournalPos pos) const {
  const bool earlier = pos.journal_id == head_.journal_id &&
                       pos.sequence >= earlier_ && pos.sequence < first_;
  if (earlier) pos.sequence = first_;
  return pos;
}

bool Journal::Knows(const JournalPos& pos) const {
  return pos.journal_id == head_.journal_id && pos.sequence <= head_.sequence &&
         head_.sequence - pos.sequence <= items_.size();
}

// A later call may have come, and have ended already.
bool Journal::IsLatest(uint64_t client, uint64_t call) const {
  const auto it = waiting_.find(client);
  return it != waiting_.end() && it->second == call;
}

bool Journal::IsNews(uint64_t client, const JournalPos& after) const {
  if (head_.journal_id != after.journal_id) return true;
  if (head_.sequence <= after.sequence) return head_ != after;
  const bool all_own = client != 0 && last_owner_ == client &&
                       last_owner_from_ <= after.sequence + 1;
  return !all_own || after.sequence < fenced_ ||
         head_.sequence - after.sequence >= kOwnBatch;
}

void Journal::Await(uint64_t client, const NextRequest& request) {
  const absl::Time until =
      absl::Now() + std::min(absl::Milliseconds(request.wait_ms), kLongestWait);
  const uint64_t call = ++last_call_;
  waiting_[client] = call;
  const auto any = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return closed_ || head_ != request.after || !IsLatest(client, call);
  };
  const auto news = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return closed_ || IsNews(client, request.after) || !IsLatest(client, call);
  };
  mu_.AwaitWithDeadline(absl::Condition(&any), until);
  mu_.AwaitWithDeadline(absl::Condition(&news),
                        std::min(until, absl::Now() + kOwnLinger));
  if (IsLatest(client, call)) waiting_.erase(client);
}

void Journal::Collect(uint64_t client, uint32_t most, NextReply* reply) const {
  const uint64_t count = head_.sequence - reply->pos.sequence;
  size_t bytes = 0;
  for (size_t i = items_.size() - count; i < items_.size(); ++i) {
    if (reply->events.size() >= most || bytes >= kMostBytes) return;
    const Item& item = items_[i];
    Event& event = reply->events.emplace_back(item.event);
    event.own = item.owner != 0 && item.owner == client;
    reply->pos.sequence = event.sequence;
    bytes += BytesOf(item);
  }
}

NextReply Journal::Next(uint64_t client, NextRequest request) {
  NextReply reply;
  absl::MutexLock lock(&mu_);
  asked_ = true;
  request.after = Present(request.after);
  if (!closed_ && !IsNews(client, request.after)) Await(client, request);
  if (closed_) {
    reply.error = kESHUTDOWN;
    return reply;
  }
  if (!Knows(request.after)) {
    reply.new_epoch = true;
    reply.pos = head_;
    return reply;
  }
  reply.pos = request.after;
  Collect(client, std::clamp(request.max_events, 1u, kMostEvents), &reply);
  return reply;
}

}  // namespace warmfs::hostd
