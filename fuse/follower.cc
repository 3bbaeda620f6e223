#include "fuse/follower.h"

#include <spdlog/spdlog.h>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "fuse/errors.h"

namespace warmfs::fuse {
namespace {

constexpr absl::Duration kLongestWait = absl::Seconds(30);
constexpr absl::Duration kRetry = absl::Seconds(1);

absl::Time ToTime(const Timestamp& t) {
  return absl::FromUnixSeconds(t.sec) + absl::Nanoseconds(t.nsec);
}

}  // namespace

Follower::Follower(rpc::Remote& remote, FileSystem& fs, Notifier& notifier,
                   Applier::Observer observer)
    : channels_(remote),
      fs_(fs),
      notifier_(notifier),
      applier_(fs, std::move(observer)) {}

Follower::~Follower() { Stop(); }

void Follower::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  channels_.Interrupt();
  if (follower_.joinable()) follower_.join();
  if (revalidator_.joinable()) revalidator_.join();
}

void Follower::Start() {
  {
    absl::MutexLock lock(&mu_);
    counters_.cursor = fs_.cache().cursor();
  }
  follower_ = std::thread([this] { Follow(); });
  revalidator_ = std::thread([this] { Revalidate(); });
}

// --- the following thread ---

void Follower::Follow() {
  rpc::ChannelGroup::Member host(channels_);
  while (!stopped()) {
    const bool following = CatchUp(host.get());
    while (following && !stopped() && Step(host.get(), kLongestWait)) {
    }
    Following(0);
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&stop_), kRetry);
  }
}

bool Follower::CatchUp(rpc::Channel& host) {
  const Reply fence = host.Fence({});
  if (fence.error != 0) return false;
  while (!stopped()) {
    if (!Step(host, absl::ZeroDuration())) return false;
    const JournalPos cursor = counters().cursor;
    if (cursor.journal_id != fence.pos.journal_id ||
        cursor.sequence >= fence.pos.sequence) {
      Following(cursor.journal_id);
      return true;
    }
  }
  return false;
}

bool Follower::Step(rpc::Channel& host, absl::Duration wait) {
  const NextReply reply = host.Next(
      {.after = counters().cursor,
       .wait_ms = static_cast<uint32_t>(absl::ToInt64Milliseconds(wait))});
  if (reply.error != 0) return false;
  reply.new_epoch ? BeginEpoch(reply.pos) : TakeIn(reply);
  absl::MutexLock lock(&mu_);
  counters_.cursor = reply.pos;
  counters_.watches = reply.watches;
  counters_.refused = reply.refused;
  counters_.overflows = reply.overflows;
  return true;
}

void Follower::BeginEpoch(const JournalPos& head) {
  // The leases go first: a crash in between begins the epoch once more.
  const bool moved_on = counters().cursor.journal_id == head.journal_id;
  const std::vector<NodeId> directories =
      fs_.FollowJournal(head.journal_id, moved_on);
  KeepCursor(head);
  spdlog::info("a new epoch of the host's journal; {} directories are checked",
               directories.size());
  absl::MutexLock lock(&mu_);
  ++counters_.epochs;
  counters_.following = true;
  to_revalidate_.insert(to_revalidate_.end(), directories.begin(),
                        directories.end());
}

void Follower::KeepCursor(const JournalPos& cursor) {
  cache::Edit edit;
  edit.SetCursor(cursor);
  fs_.cache().Commit(std::move(edit));
}

void Follower::TakeIn(const NextReply& reply) {
  if (reply.events.empty()) {
    // A host that was restarted has gone on.
    if (reply.pos != counters().cursor) KeepCursor(reply.pos);
    return;
  }
  notifier_.AwaitRoom();
  fs_.Raise(applier_.Apply(reply.pos.journal_id, reply.events));
  std::vector<absl::Time> taken;
  std::vector<NodeId> revoked;
  uint64_t own = 0;
  for (const Event& event : reply.events) {
    own += event.own ? 1 : 0;
    if (!event.own) taken.push_back(ToTime(event.taken));
    if (event.kind != EventKind::kRevoked) continue;
    const NodeId dir = fs_.tree().Find(event.dir);
    if (dir != 0) revoked.push_back(dir);
  }
  if (!taken.empty()) {
    notifier_.After([this, taken = std::move(taken)] {
      const absl::Time now = absl::Now();
      for (const absl::Time at : taken) lag_.Record(now - at);
    });
  }
  absl::MutexLock lock(&mu_);
  counters_.events += reply.events.size();
  counters_.own += own;
  to_revalidate_.insert(to_revalidate_.end(), revoked.begin(), revoked.end());
}

void Follower::Following(uint64_t journal) {
  const std::vector<NodeId> directories = fs_.FollowJournal(journal);
  absl::MutexLock lock(&mu_);
  counters_.following = journal != 0;
  to_revalidate_.insert(to_revalidate_.end(), directories.begin(),
                        directories.end());
}

// --- the revalidator ---

void Follower::Revalidate() {
  rpc::ChannelGroup::Member host(channels_);
  const auto work = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || !to_revalidate_.empty();
  };
  while (true) {
    NodeId dir = 0;
    {
      absl::MutexLock lock(&mu_);
      revalidating_ = false;
      mu_.Await(absl::Condition(&work));
      if (stop_) break;
      dir = to_revalidate_.front();
      to_revalidate_.pop_front();
      revalidating_ = true;
    }
    const absl::Status checked = fs_.CheckListing(host.get(), dir);
    if (ToErrno(checked) == EIO && !absl::IsAborted(checked)) {
      // The host is away: again when it is back.
      absl::MutexLock lock(&mu_);
      to_revalidate_.push_back(dir);
      mu_.AwaitWithTimeout(absl::Condition(&stop_), kRetry);
    }
  }
}

// --- for others ---

bool Follower::AwaitFollowing(absl::Duration limit) const {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&counters_.following), limit);
}

absl::StatusOr<JournalPos> Follower::Fence(rpc::Channel& host,
                                           absl::Time deadline) {
  const Reply fence = host.Fence({});
  if (fence.error != 0) return absl::UnavailableError("the host is away");
  const auto taken_in = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const JournalPos& cursor = counters_.cursor;
    return counters_.following && to_revalidate_.empty() && !revalidating_ &&
           cursor.journal_id == fence.pos.journal_id &&
           cursor.sequence >= fence.pos.sequence;
  };
  {
    absl::MutexLock lock(&mu_);
    if (!mu_.AwaitWithDeadline(absl::Condition(&taken_in), deadline)) {
      return absl::DeadlineExceededError(
          "the host's changes were not all taken in within the time given");
    }
  }
  // Shared: this call may be over before the notifier gets to it.
  auto sent = std::make_shared<absl::Notification>();
  notifier_.After([sent] { sent->Notify(); });
  if (!sent->WaitForNotificationWithDeadline(deadline)) {
    return absl::DeadlineExceededError(
        "the kernel did not take all notifications within the time given");
  }
  return fence.pos;
}

Follower::Counters Follower::counters() const {
  absl::MutexLock lock(&mu_);
  Counters counters = counters_;
  counters.to_revalidate = to_revalidate_.size() + (revalidating_ ? 1 : 0);
  return counters;
}

}  // namespace warmfs::fuse
