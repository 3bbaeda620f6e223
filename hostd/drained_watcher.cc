#include "hostd/drained_watcher.h"

#include <algorithm>
#include <utility>

#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr absl::Duration kFenceWait = absl::Seconds(30);

}  // namespace

DrainedWatcher::DrainedWatcher(const WatcherOptions& options, EventQueue& queue)
    : options_(options),
      journal_(options.journal, options.earlier),
      claims_(queue) {}

void DrainedWatcher::StartDraining() {
  drain_ = std::thread([this] { Drain(); });
}

void DrainedWatcher::EndDraining() {
  Stop();
  Wake();
  drain_.join();
}

void DrainedWatcher::Stop() {
  journal_.Close();
  absl::MutexLock lock(&mu_);
  stopped_ = true;
}

Reply DrainedWatcher::Fence() {
  uint64_t mark = 0;
  Reply reply;
  reply.error = FencePosition(&mark);
  if (reply.error == 0) {
    absl::MutexLock lock(&mu_);
    const auto done = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return stopped_ || processed_ >= mark;
    };
    fenced_ = std::max(fenced_, mark);
    if (!mu_.AwaitWithTimeout(absl::Condition(&done), kFenceWait)) {
      reply.error = kETIMEDOUT;
    } else if (processed_ < mark) {
      reply.error = kESHUTDOWN;
    }
  }
  reply.pos = journal_.Fence();
  return reply;
}

void DrainedWatcher::Drain() {
  bool own = false;
  while (true) {
    bool drop_all = false;
    {
      absl::MutexLock lock(&mu_);
      if (stopped_) return;
      drop_all = std::exchange(drop_all_, false);
    }
    if (drop_all) DropAll();
    // Whoever asks for something else wakes us afterwards: it is seen above,
    // also if a shorter wait has taken the wake-up.
    if (own) {
      Pause();
    } else {
      WaitForEvents();
    }
    own = Round();
  }
}

void DrainedWatcher::Pause() {
  absl::MutexLock lock(&mu_);
  const auto hurry = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stopped_ || drop_all_ || fenced_ > processed_;
  };
  mu_.AwaitWithTimeout(absl::Condition(&hurry), options_.own_pause);
}

void DrainedWatcher::Processed(uint64_t position) {
  absl::MutexLock lock(&mu_);
  processed_ = position;
}

void DrainedWatcher::Sweep(absl::Time now) {
  const bool asked = journal_.TakeAsked();
  {
    absl::MutexLock lock(&mu_);
    if (asked || idle()) in_use_ = now;
    if (now - in_use_ < options_.lease_grace) return;
    in_use_ = now;
    drop_all_ = true;
  }
  Wake();
}

}  // namespace warmfs::hostd
