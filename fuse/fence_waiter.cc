#include "fuse/fence_waiter.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "fuse/errors.h"

namespace warmfs::fuse {

std::string FenceText(const JournalPos& pos) {
  return fmt::format("{:016x}:{:020}", pos.journal_id, pos.sequence);
}

FenceWaiter::FenceWaiter(Fence fence) : fence_(std::move(fence)) {
  thread_ = std::thread([this] { Loop(); });
}

FenceWaiter::~FenceWaiter() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  thread_.join();
}

void FenceWaiter::Add(Reply reply) {
  absl::MutexLock lock(&mu_);
  waiting_.push_back(std::move(reply));
}

void FenceWaiter::Loop() {
  const auto pending = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || !waiting_.empty();
  };
  while (true) {
    std::vector<Reply> waiting;
    bool stop = false;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(&pending));
      waiting.swap(waiting_);
      stop = stop_;
    }
    const absl::StatusOr<JournalPos> pos =
        stop ? absl::StatusOr<JournalPos>(ErrnoError(EINTR)) : fence_();
    for (const Reply& reply : waiting) reply(pos);
    if (stop) return;
  }
}

}  // namespace warmfs::fuse
