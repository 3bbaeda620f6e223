#include "hostd/claims.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace warmfs::hostd {
namespace {

const FileId& ObjectOf(const Event& event) {
  const bool of_dir = event.name.empty() && !event.dir.IsNull();
  return of_dir ? event.dir : event.entry.id;
}

bool CoversObject(const Claim& claim, const Event& event) {
  if (std::find(claim.objects.begin(), claim.objects.end(), ObjectOf(event)) !=
      claim.objects.end()) {
    return true;
  }
  return !claim.opened_as.empty() && claim.opened_as == event.name;
}

bool Covers(const Claim& claim, const Event& event) {
  const uint32_t kind = KindBit(event.kind);
  if ((claim.object_kinds & kind) != 0 && CoversObject(claim, event)) {
    return true;
  }
  if ((claim.name_kinds & kind) == 0) return false;
  return std::any_of(claim.names.begin(), claim.names.end(), [&](auto& place) {
    return place.first == event.dir && place.second == event.name;
  });
}

// Is the claim about what the event tells of, whatever happened to it? What was
// done in a directory is about the directory too.
bool Touches(const Claim& claim, const Event& event) {
  if (CoversObject(claim, event)) return true;
  return std::any_of(claim.names.begin(), claim.names.end(), [&](auto& place) {
    return place.first == ObjectOf(event) ||
           (place.first == event.dir && place.second == event.name);
  });
}

absl::Time ChangedAt(const Event& event) {
  const bool of_dir = event.name.empty() && !event.dir.IsNull();
  const Attr& attr = of_dir ? event.dir_attr : event.entry;
  if (attr.id.IsNull()) return absl::InfinitePast();
  return absl::FromUnixSeconds(attr.ctime.sec) +
         absl::Nanoseconds(attr.ctime.nsec);
}

}  // namespace

Claims::Ticket Claims::Begin(Claim claim) {
  absl::MutexLock lock(&mu_);
  spans_.push_back({++last_ticket_, std::move(claim), queue_.MarkBefore()});
  return last_ticket_;
}

void Claims::End(Ticket ticket) {
  absl::MutexLock lock(&mu_);
  // From the end: most claims are short.
  const auto it =
      std::find_if(spans_.rbegin(), spans_.rend(),
                   [&](const Span& span) { return span.ticket == ticket; });
  it->end = queue_.Mark();
  it->ended = absl::Now();
  if (it->end <= forgotten_) spans_.erase(std::prev(it.base()));
}

bool Claims::IsExplained(const Event& event) const {
  absl::Time last = absl::InfinitePast();
  for (const Span& span : spans_) {
    if (Touches(span.claim, event)) last = std::max(last, span.ended);
  }
  return ChangedAt(event) <= last;
}

uint64_t Claims::OwnerOf(const Event& event, uint64_t end) const {
  absl::MutexLock lock(&mu_);
  for (const Span& span : spans_) {
    if (span.begin >= end) break;
    if (end > span.end || !Covers(span.claim, event)) continue;
    return queue_.exact() || IsExplained(event) ? span.claim.client : 0;
  }
  return 0;
}

void Claims::Forget(uint64_t position) {
  absl::MutexLock lock(&mu_);
  forgotten_ = std::max(forgotten_, position);
  for (auto it = spans_.begin();
       it != spans_.end() && it->begin <= forgotten_;) {
    it = it->end <= forgotten_ ? spans_.erase(it) : std::next(it);
  }
}

size_t Claims::size() const {
  absl::MutexLock lock(&mu_);
  return spans_.size();
}

}  // namespace warmfs::hostd
