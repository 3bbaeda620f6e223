#include "fuse/notifier.h"

namespace warmfs::fuse {

Notifier::Notifier(std::function<void(NodeId)> pages,
                   std::function<void(NodeId, const std::string&)> entry)
    : pages_(std::move(pages)), entry_(std::move(entry)) {
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
  pages_queue_.insert(node);
}

void Notifier::Entry(NodeId dir, std::string_view name) {
  absl::MutexLock lock(&mu_);
  if (entry_queue_.size() < kMaxEntries) entry_queue_.emplace(dir, name);
}

uint64_t Notifier::sent() const {
  absl::MutexLock lock(&mu_);
  return sent_;
}

void Notifier::Loop() {
  while (true) {
    absl::flat_hash_set<NodeId> pages;
    absl::flat_hash_set<Name> entries;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &Notifier::Pending));
      if (stop_) return;
      pages.swap(pages_queue_);
      entries.swap(entry_queue_);
      sent_ += pages.size() + entries.size();
    }
    for (const auto& [dir, name] : entries) entry_(dir, name);
    for (NodeId node : pages) pages_(node);
  }
}

}  // namespace warmfs::fuse
