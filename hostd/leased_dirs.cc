#include "hostd/leased_dirs.h"

#include <utility>

namespace warmfs::hostd {

std::string Joined(const std::string& dir, const std::string& name) {
  return dir.empty() || name.empty() ? dir + name : dir + '/' + name;
}

bool LeasedDirs::AddLocked(const FileId& id, const std::string& path,
                           std::vector<FileId>* evicted) {
  if (by_id_.contains(id)) return true;
  const auto other = by_path_.find(path);
  if (other != by_path_.end()) DropAtLocked(path, evicted);
  if (by_id_.size() >= most_) {
    CountRefused();
    return false;
  }
  by_path_[path] = id;
  by_id_[id] = {path, {}};
  return true;
}

bool LeasedDirs::Add(const FileId& id, const std::string& path,
                     std::vector<FileId>* evicted) {
  absl::MutexLock lock(&mu_);
  return AddLocked(id, path, evicted);
}

bool LeasedDirs::AddChild(const FileId& parent, const std::string& name,
                          const FileId& id, std::vector<FileId>* evicted) {
  absl::MutexLock lock(&mu_);
  const auto it = by_id_.find(parent);
  if (it == by_id_.end()) return false;
  return AddLocked(id, Joined(it->second.path, name), evicted);
}

bool LeasedDirs::Has(const FileId& id) const {
  absl::MutexLock lock(&mu_);
  return by_id_.contains(id);
}

std::optional<std::string> LeasedDirs::PathOf(const FileId& id) const {
  absl::MutexLock lock(&mu_);
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return std::nullopt;
  return it->second.path;
}

FileId LeasedDirs::At(const std::string& path) const {
  absl::MutexLock lock(&mu_);
  const auto it = by_path_.find(path);
  return it == by_path_.end() ? FileId() : it->second;
}

bool LeasedDirs::SetTold(const FileId& id, const Timestamp& ctime) {
  absl::MutexLock lock(&mu_);
  const auto it = by_id_.find(id);
  return it == by_id_.end() || std::exchange(it->second.told, ctime) != ctime;
}

bool LeasedDirs::Drop(const FileId& id) {
  absl::MutexLock lock(&mu_);
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return false;
  by_path_.erase(it->second.path);
  by_id_.erase(it);
  return true;
}

void LeasedDirs::DropAtLocked(const std::string& path,
                              std::vector<FileId>* dropped) {
  const auto drop = [&](auto it) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    dropped->push_back(it->second);
    by_id_.erase(it->second);
    return by_path_.erase(it);
  };
  const auto self = by_path_.find(path);
  if (self != by_path_.end()) drop(self);
  const std::string beneath = path.empty() ? "" : path + '/';
  auto it = by_path_.lower_bound(beneath);
  while (it != by_path_.end() && it->first.starts_with(beneath)) it = drop(it);
}

std::vector<FileId> LeasedDirs::DropAt(const std::string& path) {
  std::vector<FileId> dropped;
  absl::MutexLock lock(&mu_);
  DropAtLocked(path, &dropped);
  return dropped;
}

void LeasedDirs::Clear() {
  absl::MutexLock lock(&mu_);
  by_id_.clear();
  by_path_.clear();
}

size_t LeasedDirs::size() const {
  absl::MutexLock lock(&mu_);
  return by_id_.size();
}

}  // namespace warmfs::hostd
