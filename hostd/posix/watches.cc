#include "hostd/posix/watches.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "hostd/posix/proc_path.h"
#include "hostd/resolve.h"

namespace warmfs::hostd {
namespace {

// How often an entry may be another object at each look.
constexpr int kCoverAttempts = 4;

bool NeedsWatch(const Attr& attr) {
  return attr.IsDirectory() || (attr.IsRegular() && attr.nlink > 1);
}

bool IsDeleted(int fd) {
  struct stat st {};
  return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

// What the kernel calls the object behind a descriptor now. For comparing, not
// for opening.
std::string PathOf(int fd) {
  char path[PATH_MAX];
  const ssize_t size = readlink(ProcPath(fd).c_str(), path, sizeof(path));
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "";
}

bool IsBeneath(std::string_view path, std::string_view root) {
  if (!path.starts_with(root)) return false;
  return path.size() == root.size() || root == "/" || path[root.size()] == '/';
}

bool IsOutside(const Watch& watch, std::string_view root) {
  return watch.directory && !IsBeneath(PathOf(watch.fd()), root);
}

}  // namespace

Watches::Watches(int root, const AttrReader& attrs, WatchSource& source,
                 uint32_t most, FdBudget& budget)
    : root_(root), attrs_(attrs), source_(source), budget_(most, &budget) {}

int Watches::Refuse(int error) {
  ++refused_;
  return error;
}

void Watches::SetPlace(Row& row, const Place& place) {
  if (!row.watch->directory) return;
  const auto old = places_.find(row.place);
  if (old != places_.end() && old->second == row.watch->id) places_.erase(old);
  row.place = place;
  const FileId former = std::exchange(places_[place], row.watch->id);
  if (former.IsNull() || former == row.watch->id) return;
  // Moved, which tells its new place, or deleted.
  replaced_.push_back({former, source_.Mark()});
}

void Watches::DropReplaced(uint64_t position) {
  absl::MutexLock lock(&mu_);
  std::erase_if(replaced_,
                [&](const auto& replaced) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
                  if (replaced.second > position) return false;
                  const auto it = by_id_.find(replaced.first);
                  if (it != by_id_.end() && IsDeleted(it->second.watch->fd())) {
                    DropLocked(replaced.first);
                  }
                  return true;
                });
}

int Watches::Add(UniqueFd fd, const Attr& attr, const Place& place) {
  absl::MutexLock lock(&mu_);
  const auto known = by_id_.find(attr.id);
  if (known != by_id_.end()) {
    SetPlace(known->second, place);
    return 0;
  }
  FdSlot slot(budget_);
  if (!slot) return Refuse(ENOSPC);
  int number = -1;
  const int error = source_.Add(fd.get(), attr.IsDirectory(), &number);
  if (error != 0) return error == EACCES ? error : Refuse(error);
  auto watch = std::make_shared<const Watch>(
      Watch{number, attr.id, attr.IsDirectory(),
            attr.IsDirectory() ? 0 : source_.Mark(),
            HeldFd{std::move(slot), std::move(fd)}});
  by_number_[number] = watch;
  Row& row = by_id_[attr.id];
  row.watch = std::move(watch);
  SetPlace(row, place);
  return 0;
}

bool Watches::Seen(const FileId& id, const Place& place) {
  absl::MutexLock lock(&mu_);
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return false;
  SetPlace(it->second, place);
  return true;
}

int Watches::AddEntry(int dir_fd, const Place& place) {
  UniqueFd fd;
  Attr attr;
  int error = OpenChild(dir_fd, place.second, &fd);
  if (error == 0) error = attrs_.Read(fd.get(), &attr);
  if (error != 0) return error;
  return NeedsWatch(attr) ? Add(std::move(fd), attr, place) : 0;
}

Covered Watches::Cover(int dir_fd, const Place& place, Attr* attr) {
  for (int i = 0; i < kCoverAttempts; ++i) {
    if (!NeedsWatch(*attr)) return Covered::kYes;
    const FileId id = attr->id;
    const bool known = Seen(id, place);
    const int error = known ? 0 : AddEntry(dir_fd, place);
    const int look = attrs_.ReadEntry(dir_fd, place.second, attr);
    if (look == ENOENT) return Covered::kGone;
    if (look != 0) return Covered::kRefused;
    if (error == EACCES) return Covered::kYes;
    if (error != 0) return Covered::kRefused;
    // Its other link went before the watch was there, which tells nobody.
    if (!known && attr->id == id && !NeedsWatch(*attr)) Drop(id);
    if (Has(attr->id)) return Covered::kYes;
  }
  return Covered::kRefused;
}

std::shared_ptr<const Watch> Watches::Find(int number) const {
  absl::MutexLock lock(&mu_);
  const auto it = by_number_.find(number);
  return it == by_number_.end() ? nullptr : it->second;
}

bool Watches::Has(const FileId& id) const {
  absl::MutexLock lock(&mu_);
  return by_id_.contains(id);
}

bool Watches::TellsItself(const FileId& id, uint64_t position) const {
  absl::MutexLock lock(&mu_);
  const auto it = by_id_.find(id);
  return it != by_id_.end() && it->second.watch->since < position;
}

FileId Watches::At(const Place& place) const {
  absl::MutexLock lock(&mu_);
  const auto it = places_.find(place);
  return it == places_.end() ? FileId() : it->second;
}

std::pair<std::shared_ptr<const Watch>, std::string> Watches::ParentOf(
    const FileId& id) const {
  absl::MutexLock lock(&mu_);
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return {};
  const Place& place = it->second.place;
  const auto parent = by_id_.find(place.first);
  if (parent == by_id_.end()) return {};
  return {parent->second.watch, place.second};
}

bool Watches::DropLocked(const FileId& id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return false;
  const auto place = places_.find(it->second.place);
  if (place != places_.end() && place->second == id) places_.erase(place);
  const int number = it->second.watch->number;
  by_number_.erase(number);
  by_id_.erase(it);
  source_.Remove(number);
  return true;
}

bool Watches::Drop(const FileId& id) {
  absl::MutexLock lock(&mu_);
  return DropLocked(id);
}

std::vector<FileId> Watches::DropOutside() {
  const std::string root = PathOf(root_);
  std::vector<FileId> outside;
  absl::MutexLock lock(&mu_);
  for (const auto& [id, row] : by_id_) {
    if (IsOutside(*row.watch, root)) outside.push_back(id);
  }
  for (const FileId& id : outside) DropLocked(id);
  return outside;
}

std::vector<FileId> Watches::DropIfOutside(const FileId& moved) {
  const std::string root = PathOf(root_);
  {
    absl::MutexLock lock(&mu_);
    const auto it = by_id_.find(moved);
    if (it == by_id_.end() || !IsOutside(*it->second.watch, root)) return {};
  }
  return DropOutside();
}

std::vector<std::shared_ptr<const Watch>> Watches::Clear() {
  std::vector<std::shared_ptr<const Watch>> all;
  absl::MutexLock lock(&mu_);
  for (auto& [number, watch] : by_number_) all.push_back(std::move(watch));
  by_number_.clear();
  by_id_.clear();
  places_.clear();
  replaced_.clear();
  return all;
}

void Watches::Remove(const Watch& watch) {
  absl::MutexLock lock(&mu_);
  if (!by_number_.contains(watch.number)) source_.Remove(watch.number);
}

size_t Watches::size() const {
  absl::MutexLock lock(&mu_);
  return by_id_.size();
}

}  // namespace warmfs::hostd
