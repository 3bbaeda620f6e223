#include "fuse/scout.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "cache/cache.h"

namespace warmfs::fuse {

void Scout::Unforeseen(const FileId& dir, Instant now) {
  constexpr int kUnforeseen = 3;
  constexpr size_t kFirst = 8;
  {
    absl::MutexLock lock(&mu_);
    const bool recent = last_ != 0 && now - last_ < kWithin;
    last_ = now;
    if (!recent) Clear();
    if (!recent || 2 * CountOf(State::kCame) > most_) {
      unforeseen_ = 0;
      most_ = wanted_ = 0;
      for (auto it = known_.begin(); it != known_.end();) {
        it = it->state == State::kCame ? Erase(it) : std::next(it);
      }
    }
    GoTo(dir);
    if (++unforeseen_ >= kUnforeseen) most_ = std::max(most_, kFirst);
  }
  CallForWork();
}

void Scout::Listed(const NodeRef& dir, absl::Span<const DirEntry> entries) {
  const std::string prefix = dir.path.empty() ? "" : dir.path + "/";
  std::vector<const DirEntry*> directories;
  for (const DirEntry& entry : entries) {
    if (entry.attr.IsDirectory()) directories.push_back(&entry);
  }
  std::ranges::sort(directories, {}, [](const DirEntry* entry) {
    return cache::NameCookie(entry->name);
  });
  {
    absl::MutexLock lock(&mu_);
    const auto it = places_.find(dir.id);
    const bool asked_for = it == places_.end();
    Place before = asked_for   ? to_
                   : backward_ ? it->second
                               : std::next(it->second);
    for (const DirEntry* entry : directories) {
      if (known_.size() >= kMostKnown) break;
      if (places_.contains(entry->attr.id)) continue;
      Insert(before, {prefix + entry->name, entry->attr.id});
      if (asked_for && from_ == to_) from_ = std::prev(before);
    }
  }
  CallForWork();
}

std::vector<NodeRef> Scout::Take() {
  absl::MutexLock lock(&mu_);
  std::vector<NodeRef> taken;
  if (!MayTake()) return taken;
  const auto take = [&](Known& known) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (known.state != State::kKnown) return;
    Set(known, State::kTaken);
    taken.push_back(known.ref);
  };
  // What is on the other side he has left behind, or comes to at last.
  for (const bool back : {backward_, !backward_}) {
    for (Place at = backward_ ? to_ : from_; ahead() < most_;) {
      if (at == (back ? known_.begin() : known_.end())) break;
      take(back ? *--at : *at++);
    }
  }
  return taken;
}

void Scout::Came(const FileId& dir) {
  absl::MutexLock lock(&mu_);
  if (Known* known = Find(dir)) Set(*known, State::kCame);
}

void Scout::LeftOff(const FileId& dir) {
  absl::MutexLock lock(&mu_);
  if (Known* known = Find(dir)) Set(*known, State::kKnown);
}

void Scout::GaveUp(const FileId& dir) {
  absl::MutexLock lock(&mu_);
  if (const auto it = places_.find(dir); it != places_.end()) Erase(it->second);
}

void Scout::Refused(const FileId& dir) {
  GaveUp(dir);
  absl::MutexLock lock(&mu_);
  unforeseen_ = 0;
  most_ = wanted_ = 0;
}

void Scout::Wanted(const FileId& dir, Instant now) {
  {
    absl::MutexLock lock(&mu_);
    const Known* known = Find(dir);
    if (known == nullptr || known->state != State::kCame) return;
    last_ = now;
    GoTo(dir);
    if (++wanted_ >= most_) {
      wanted_ = 0;
      most_ = std::min(2 * most_, kMostAhead);
    }
  }
  CallForWork();
}

// --- the order ---

Scout::Known* Scout::Find(const FileId& dir) {
  const auto it = places_.find(dir);
  return it == places_.end() ? nullptr : &*it->second;
}

void Scout::Set(Known& known, State state) {
  --counts_[static_cast<size_t>(known.state)];
  ++counts_[static_cast<size_t>(state)];
  known.state = state;
}

void Scout::Insert(Place before, NodeRef ref) {
  const FileId id = ref.id;
  places_[id] = known_.insert(before, {std::move(ref)});
  ++counts_[static_cast<size_t>(State::kKnown)];
}

Scout::Place Scout::Erase(Place place) {
  --counts_[static_cast<size_t>(place->state)];
  places_.erase(place->ref.id);
  if (from_ == place) ++from_;
  if (to_ == place) ++to_;
  return known_.erase(place);
}

void Scout::Clear() {
  known_.clear();
  places_.clear();
  std::ranges::fill(counts_, 0);
  from_ = to_ = known_.end();
}

void Scout::GoTo(const FileId& dir) {
  const auto it = places_.find(dir);
  const Place place = it == places_.end() ? known_.end() : it->second;
  if (place == known_.end()) {
    from_ = to_ = place;
    return;
  }
  const bool first = place == from_;
  const bool last = std::next(place) == to_;
  if (first != last) backward_ = last;
  from_ = to_ = Erase(place);
}

void Scout::CallForWork() {
  {
    absl::MutexLock lock(&mu_);
    if (!MayTake()) return;
  }
  work_();
}

}  // namespace warmfs::fuse
