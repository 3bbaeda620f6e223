#include "fuse/event_log.h"

#include "absl/time/clock.h"

namespace warmfs::fuse {
namespace {

using nlohmann::json;

constexpr const char* kKinds[] = {"created",  "deleted",    "moved-from",
                                  "moved-to", "modified",   "attributes",
                                  "closed",   "lease-ended"};
constexpr const char* kRaised[] = {"CREATE", "CREATE+ATTRIB", "DELETE",
                                   "MOVED",  "MOVED_TO",      "MOVED_FROM",
                                   "MODIFY", "ATTRIB",        "CLOSE_WRITE"};

json ChangesJson(const Decision& d) {
  json changes = json::array();
  if (d.name == Decision::Name::kSet) changes.push_back("name");
  if (d.name == Decision::Name::kRemove) changes.push_back("name-gone");
  if (d.take_entry) changes.push_back("attributes");
  if (d.take_dir) changes.push_back("directory");
  if (d.drop_blocks) changes.push_back("content");
  if (d.doubt_names) changes.push_back("names-in-doubt");
  if (d.doubt_entry) changes.push_back("attributes-in-doubt");
  return changes;
}

json DroppedJson(const Decision& d) {
  json dropped = json::array();
  if (d.drop_name) dropped.push_back("name");
  if (d.drop_entry != Drop::kNothing) dropped.push_back("attributes");
  if (d.drop_entry == Drop::kAttrAndPages) dropped.push_back("pages");
  if (d.drop_dir != Drop::kNothing) dropped.push_back("listing");
  return dropped;
}

}  // namespace

void EventLog::Note(const Event& event, const Decision& decision,
                    const Injection* raised) {
  absl::MutexLock lock(&mu_);
  Entry entry{++last_, event, decision, std::nullopt, absl::Now()};
  if (raised != nullptr) entry.raised = raised->kind;
  if (decision.Changes()) {
    const FileId& id = event.entry.id.IsNull() || event.name.empty()
                           ? event.dir
                           : event.entry.id;
    changes_.emplace_back(id, entry);
    auto [it, added] = by_object_.try_emplace(id, std::prev(changes_.end()));
    if (!added) {
      changes_.erase(it->second);
      it->second = std::prev(changes_.end());
    }
    if (changes_.size() > kMaxObjects) {
      by_object_.erase(changes_.front().first);
      changes_.pop_front();
    }
  }
  entries_.push_back(std::move(entry));
  if (entries_.size() > kMaxEntries) entries_.pop_front();
}

std::deque<EventLog::Entry> EventLog::After(uint64_t number,
                                            absl::Duration wait) const {
  absl::MutexLock lock(&mu_);
  const auto more = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return last_ > number;
  };
  mu_.AwaitWithTimeout(absl::Condition(&more), wait);
  std::deque<Entry> out;
  for (auto it = entries_.rbegin();
       it != entries_.rend() && it->number > number; ++it) {
    out.push_front(*it);
  }
  return out;
}

uint64_t EventLog::last() const {
  absl::MutexLock lock(&mu_);
  return last_;
}

std::optional<EventLog::Entry> EventLog::LastChange(const FileId& id) const {
  absl::MutexLock lock(&mu_);
  const auto it = by_object_.find(id);
  if (it == by_object_.end()) return std::nullopt;
  return it->second->second;
}

json ToJson(const EventLog::Entry& entry, const std::string& path) {
  const Event& e = entry.event;
  const absl::Time taken =
      absl::FromUnixSeconds(e.taken.sec) + absl::Nanoseconds(e.taken.nsec);
  json line = {{"sequence", e.sequence},
               {"kind", kKinds[static_cast<size_t>(e.kind)]},
               {"path", path},
               {"directory", e.directory},
               {"own", e.own},
               {"changed", ChangesJson(entry.decision)},
               {"dropped", DroppedJson(entry.decision)},
               {"delay_us", absl::ToInt64Microseconds(entry.applied - taken)},
               {"time", absl::FormatTime(absl::RFC3339_full, entry.applied,
                                         absl::LocalTimeZone())}};
  if (entry.raised) {
    line["raised"] = kRaised[static_cast<size_t>(*entry.raised)];
  }
  return line;
}

}  // namespace warmfs::fuse
