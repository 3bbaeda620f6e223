#include "fuse/injector.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"
#include "fuse/errors.h"

namespace warmfs::fuse {

std::string_view InjectionName(InjectionKind kind) {
  static constexpr std::array<std::string_view, kInjectionKinds> kNames = {
      "create",   "link",   "delete",     "rename",     "move_in",
      "move_out", "modify", "attributes", "close_write"};
  return kNames[static_cast<size_t>(kind)];
}

Injector::Injector(InjectorOptions options, FileSystem& fs,
                   InjectionPlans& plans,
                   InjectedCall::Invalidate invalidate_entry)
    : options_(std::move(options)),
      fs_(fs),
      plans_(plans),
      invalidate_entry_(std::move(invalidate_entry)) {}

Injector::~Injector() {
  Stop();
  if (supervisor_.joinable()) supervisor_.join();
}

absl::Status Injector::Start() {
  mount_.mountpoint = options_.mountpoint;
  mount_.device = MountedAt::DeviceAt(AT_FDCWD, mount_.mountpoint);
  if (mount_.device == 0) return ErrnoError(errno);
  {
    absl::MutexLock lock(&mu_);
    AddHand();
  }
  supervisor_ = std::thread([this] { Supervise(); });
  return absl::OkStatus();
}

void Injector::Stop() {
  absl::MutexLock lock(&mu_);
  stop_ = true;
  queue_.clear();
}

void Injector::Push(Injection injection) {
  absl::MutexLock lock(&mu_);
  if (stop_) return;
  if (queue_.size() >= options_.max_queue) {
    ++counters_.dropped;
    return;
  }
  queue_.push_back({++last_ticket_, std::move(injection)});
}

// --- hands ---

void Injector::AddHand() {
  Hand& hand = hands_.emplace_back();
  hand.thread = std::thread([this, &hand] { Work(hand); });
}

bool Injector::Take(Hand& hand, MountView& view, Job& job) {
  absl::MutexLock lock(&mu_);
  hand.ticket = 0;
  const auto ready = [this, &hand]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || hand.stuck || !queue_.empty();
  };
  while (true) {
    if (!view.open()) {
      mu_.Await(absl::Condition(&ready));
    } else if (!mu_.AwaitWithTimeout(absl::Condition(&ready), view.linger())) {
      mu_.Unlock();
      view.Close();
      mu_.Lock();
      continue;
    }
    break;
  }
  if (stop_ || hand.stuck) return false;
  job = std::move(queue_.front());
  queue_.pop_front();
  hand.ticket = job.ticket;
  hand.sequence = job.injection.sequence;
  hand.begun = absl::Now();
  return true;
}

void Injector::Work(Hand& hand) {
  MountView view;
  Job job;
  while (Take(hand, view, job)) {
    const std::optional<int> error = Perform(view, job.injection);
    if (error) options_.on_raised(job.injection, *error);
    absl::MutexLock lock(&mu_);
    if (!error) {
      ++counters_.unseen;
    } else if (*error != 0) {
      ++counters_.failed[*error];
    } else {
      ++counters_.raised[static_cast<size_t>(job.injection.kind)];
    }
  }
  view.Close();
  absl::MutexLock lock(&mu_);
  hand.ended = true;
}

std::optional<int> Injector::Perform(MountView& view,
                                     const Injection& injection) {
  InjectedCall call(fs_, injection);
  if (!call.visible()) return std::nullopt;
  const int root = view.Use(mount_);
  if (root < 0) return errno;
  call.InvalidateBefore(invalidate_entry_);
  plans_.Show(call.plan());
  const int error = call.Perform(root);
  call.InvalidateAfter(invalidate_entry_);
  plans_.TakeBack();
  return error;
}

// --- the supervisor ---

const Injector::Hand* Injector::Busy() const {
  return hands_.empty() || hands_.back().ticket == 0 ? nullptr : &hands_.back();
}

bool Injector::AnyEnded() const {
  return std::any_of(hands_.begin(), hands_.end(),
                     [](const Hand& hand) { return hand.ended; });
}

void Injector::JoinEnded() {
  std::list<Hand> ended;
  for (auto it = hands_.begin(); it != hands_.end();) {
    const auto next = std::next(it);
    if (it->ended) ended.splice(ended.end(), hands_, it);
    it = next;
  }
  mu_.Unlock();
  for (Hand& hand : ended) hand.thread.join();
  mu_.Lock();
}

void Injector::Supervise() {
  absl::MutexLock lock(&mu_);
  while (!hands_.empty()) {
    if (AnyEnded()) {
      JoinEnded();
    } else if (stop_ || (Busy() != nullptr && hands_.size() > kMaxStuck)) {
      mu_.Await(absl::Condition(this, &Injector::AnyEnded));
    } else if (Busy() == nullptr) {
      mu_.Await(absl::Condition(this, &Injector::BusyOrEnded));
    } else if (absl::Now() < Busy()->begun + options_.call_deadline) {
      mu_.AwaitWithDeadline(absl::Condition(this, &Injector::StopOrEnded),
                            Busy()->begun + options_.call_deadline);
    } else {
      ++counters_.overdue;
      hands_.back().stuck = true;
      AddHand();
    }
  }
}

// --- the fence, and what is told of it all ---

bool Injector::Drained(uint64_t sequence) const {
  absl::MutexLock lock(&mu_);
  return TicketOf(sequence) < FirstPending();
}

bool Injector::AwaitDelivered(uint64_t sequence, absl::Time deadline) const {
  absl::MutexLock lock(&mu_);
  const Ticket last = TicketOf(sequence);
  const auto done = [this, last]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return last < FirstPending();
  };
  return mu_.AwaitWithDeadline(absl::Condition(&done), deadline);
}

Injector::Ticket Injector::TicketOf(uint64_t sequence) const {
  for (auto it = queue_.rbegin(); it != queue_.rend(); ++it) {
    if (it->injection.sequence <= sequence) return it->ticket;
  }
  const Hand* busy = Busy();
  return busy != nullptr && busy->sequence <= sequence ? busy->ticket : 0;
}

Injector::Ticket Injector::FirstPending() const {
  if (const Hand* busy = Busy()) return busy->ticket;
  return queue_.empty() ? last_ticket_ + 1 : queue_.front().ticket;
}

InjectorCounters Injector::counters() const {
  absl::MutexLock lock(&mu_);
  return counters_;
}

size_t Injector::depth() const {
  absl::MutexLock lock(&mu_);
  return queue_.size() + (Busy() == nullptr ? 0 : 1);
}

}  // namespace warmfs::fuse
