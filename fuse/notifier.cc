#include "fuse/notifier.h"

namespace warmfs::fuse {

Notifier::Notifier(Kernel kernel) : kernel_(std::move(kernel)) {
  thread_ = std::thread([this] { Loop(); });
}

Notifier::~Notifier() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  thread_.join();
}

void Notifier::Pages(NodeId node) {
  if (node == 0) return;
  absl::MutexLock lock(&mu_);
  queue_.pages.insert(node);
}

void Notifier::Attr(NodeId node) {
  if (node == 0) return;
  absl::MutexLock lock(&mu_);
  queue_.attrs.insert(node);
}

void Notifier::Entry(NodeId dir, std::string_view name) {
  absl::MutexLock lock(&mu_);
  queue_.entries.emplace(dir, name);
}

bool Notifier::Pending(NodeId dir, std::string_view name) const {
  absl::MutexLock lock(&mu_);
  const Name entry(dir, name);
  return queue_.entries.contains(entry) ||
         (sending_ != nullptr && sending_->entries.contains(entry));
}

void Notifier::After(std::function<void()> then) {
  absl::MutexLock lock(&mu_);
  queue_.then.push_back(std::move(then));
}

void Notifier::WakeForSteps() {
  absl::MutexLock lock(&mu_);
  steps_ = true;
}

void Notifier::AwaitRoom() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &Notifier::HasRoom));
}

uint64_t Notifier::sent() const {
  absl::MutexLock lock(&mu_);
  return sent_;
}

size_t Notifier::queued() const {
  absl::MutexLock lock(&mu_);
  return queue_.size();
}

void Notifier::Loop() {
  while (true) {
    std::shared_ptr<const Queue> batch;
    bool steps = false;
    {
      absl::MutexLock lock(&mu_);
      sending_ = nullptr;
      mu_.Await(absl::Condition(this, &Notifier::HasWork));
      if (stop_) return;
      batch = sending_ =
          std::make_shared<const Queue>(std::exchange(queue_, Queue()));
      steps = std::exchange(steps_, false);
      sent_ += batch->size();
    }
    // Names last: the kernel ignores attributes in replies to what it asked
    // before it was told to drop some, and who looks a name up again is to
    // learn them.
    for (NodeId node : batch->pages) kernel_.pages(node);
    for (NodeId node : batch->attrs) {
      if (!batch->pages.contains(node)) kernel_.attr(node);
    }
    for (const auto& [dir, name] : batch->entries) kernel_.entry(dir, name);
    for (const auto& then : batch->then) then();
    if (steps && kernel_.step()) WakeForSteps();
  }
}

}  // namespace warmfs::fuse
