#include "fuse/overtaker.h"

#include <utility>

namespace warmfs::fuse {

Overtaker::Overtaker(std::function<void(NodeId, uint64_t page)> drop)
    : drop_(std::move(drop)) {}

Overtaker::~Overtaker() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void Overtaker::Drop(NodeId node, uint64_t page) {
  absl::MutexLock lock(&mu_);
  if (stop_) return;
  queue_.emplace_back(node, page);
  if (queue_.size() > idle_ && threads_.size() < kMost) {
    threads_.emplace_back([this] { Loop(); });
  }
}

void Overtaker::Loop() {
  while (true) {
    std::pair<NodeId, uint64_t> next;
    {
      absl::MutexLock lock(&mu_);
      ++idle_;
      mu_.Await(absl::Condition(this, &Overtaker::HasWork));
      --idle_;
      if (stop_) return;
      next = queue_.front();
      queue_.pop_front();
    }
    drop_(next.first, next.second);
  }
}

}  // namespace warmfs::fuse
