// What was taken in of the host's journal, for people: the last events, live
// (`warmfs events`), and what happened last to an object (`warmfs why`).
//
// Thread-safe, bounded. Note is called by the applier for each event and costs
// little; text is made only for those who read.

#ifndef WARMFS_FUSE_EVENT_LOG_H_
#define WARMFS_FUSE_EVENT_LOG_H_

#include <cstdint>
#include <deque>
#include <list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fuse/decide.h"
#include "fuse/injection.h"

namespace warmfs::fuse {

class EventLog {
 public:
  static constexpr size_t kMaxEntries = 4096;
  static constexpr size_t kMaxObjects = 4096;

  struct Entry {
    uint64_t number = 0;  // counted here, from 1
    Event event;
    Decision decision;
    std::optional<InjectionKind> raised;
    absl::Time applied;
  };

  void Note(const Event& event, const Decision& decision,
            const Injection* raised);
  // The entries after this number that are still held; waits up to `wait` for
  // one if there is none.
  std::deque<Entry> After(uint64_t number, absl::Duration wait) const;
  uint64_t last() const;
  // The last event that changed what was known of the object.
  std::optional<Entry> LastChange(const FileId& id) const;

 private:
  mutable absl::Mutex mu_;
  uint64_t last_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mu_);
  // By object, the least recent first.
  std::list<std::pair<FileId, Entry>> changes_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<FileId, std::list<std::pair<FileId, Entry>>::iterator>
      by_object_ ABSL_GUARDED_BY(mu_);
};

// `path`: of what the event is about, as the client knows it.
nlohmann::json ToJson(const EventLog::Entry& entry, const std::string& path);

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_EVENT_LOG_H_
