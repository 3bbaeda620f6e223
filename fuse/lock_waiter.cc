#include "fuse/lock_waiter.h"

#include <algorithm>
#include <cerrno>

#include "fuse/errors.h"

namespace warmfs::fuse {

LockWaiter::LockWaiter(HostLocks& locks, rpc::Remote& remote)
    : locks_(locks), remote_(remote) {
  thread_ = std::thread([this] { Loop(); });
}

LockWaiter::~LockWaiter() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  thread_.join();
}

void LockWaiter::Add(Waiting waiting) {
  {
    absl::MutexLock lock(&mu_);
    if (count_ < kMaxWaiting && !stop_) {
      ++count_;
      added_.push_back(std::move(waiting));
      return;
    }
  }
  waiting.reply(ENOLCK);
}

void LockWaiter::Loop() {
  rpc::Channel host(remote_);
  std::list<Waiting> waiting;
  absl::Duration pause = kFastest;
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      auto wake = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
        return stop_ || !added_.empty();
      };
      mu_.AwaitWithTimeout(absl::Condition(&wake),
                           waiting.empty() ? absl::InfiniteDuration() : pause);
      if (!added_.empty()) pause = kFastest;
      waiting.splice(waiting.end(), added_);
      if (stop_) break;
    }
    pause = TryAll(host, waiting) ? kFastest : std::min(2 * pause, kSlowest);
  }
  for (Waiting& w : waiting) w.reply(EINTR);
}

bool LockWaiter::TryAll(rpc::Channel& host, std::list<Waiting>& waiting) {
  bool progress = false;
  for (auto it = waiting.begin(); it != waiting.end();) {
    int error = EINTR;
    if (!it->interrupted()) {
      error = ToErrno(locks_.Ask(host, it->node, it->request).status());
    }
    if (error == EAGAIN) {
      ++it;
      continue;
    }
    it->reply(error);
    it = waiting.erase(it);
    progress = true;
    absl::MutexLock lock(&mu_);
    --count_;
  }
  return progress;
}

}  // namespace warmfs::fuse
