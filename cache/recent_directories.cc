#include "cache/recent_directories.h"

#include <iterator>

#include "absl/hash/hash.h"

namespace warmfs::cache {

size_t RecentDirectories::VersionOf(const FileId& dir) {
  return absl::Hash<FileId>()(dir) % kVersions;
}

std::shared_ptr<const RecentDirectories::Items> RecentDirectories::Find(
    const FileId& dir) {
  absl::MutexLock lock(&mu_);
  const auto it = held_.find(dir);
  if (it == held_.end()) return nullptr;
  order_.splice(order_.begin(), order_, it->second);
  return it->second->items;
}

uint64_t RecentDirectories::version(const FileId& dir) const {
  absl::MutexLock lock(&mu_);
  return versions_[VersionOf(dir)];
}

void RecentDirectories::Remember(const FileId& dir, uint64_t version,
                                 Items items) {
  if (items.size() > kMostOfOne) return;
  absl::MutexLock lock(&mu_);
  if (versions_[VersionOf(dir)] != version || held_.contains(dir)) return;
  names_ += items.size() + 1;  // empty ones take room, too
  order_.push_front({dir, std::make_shared<const Items>(std::move(items))});
  held_.emplace(dir, order_.begin());
  while (names_ > kMostNames) Drop(std::prev(order_.end()));
}

uint64_t RecentDirectories::Changed(const FileId& dir) {
  absl::MutexLock lock(&mu_);
  const auto it = held_.find(dir);
  if (it != held_.end()) Drop(it->second);
  return ++versions_[VersionOf(dir)];
}

void RecentDirectories::AllChanged() {
  absl::MutexLock lock(&mu_);
  for (uint64_t& version : versions_) ++version;
  while (!order_.empty()) Drop(order_.begin());
}

void RecentDirectories::Drop(Order::iterator held) {
  names_ -= held->items->size() + 1;
  held_.erase(held->dir);
  order_.erase(held);
}

}  // namespace warmfs::cache
