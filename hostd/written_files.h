// Files that were written to, where the system does not tell when they are
// closed (kClosedWrite is made up then, subtree_events.h): each until nothing
// has been told of it for a while.
//
// Bounded: the one that has waited longest goes for another. Thread-compatible.

#ifndef WARMFS_HOSTD_WRITTEN_FILES_H_
#define WARMFS_HOSTD_WRITTEN_FILES_H_

#include <cstdint>
#include <list>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "hostd/watcher.h"

namespace warmfs::hostd {

struct WrittenFile {
  Place place;
  uint64_t owner = 0;  // whose work all of it was; 0: not one client's alone
  absl::Time due;
};

class WrittenFiles {
 public:
  static constexpr size_t kMost = 4096;

  explicit WrittenFiles(absl::Duration quiet) : quiet_(quiet) {}

  // It was written to. What has to go for it.
  std::optional<WrittenFile> Note(const Place& place, uint64_t owner,
                                  absl::Time now) {
    uint64_t whose = owner;
    if (const auto known = Take(place)) {
      whose = known->owner == owner ? owner : 0;
    }
    std::optional<WrittenFile> gone;
    if (files_.size() >= kMost) gone = TakeDue(absl::InfiniteFuture());
    files_.push_back({place, whose, now + quiet_});
    by_place_[place] = std::prev(files_.end());
    return gone;
  }

  std::optional<WrittenFile> Take(const Place& place) {
    const auto it = by_place_.find(place);
    if (it == by_place_.end()) return std::nullopt;
    const WrittenFile file = *it->second;
    files_.erase(it->second);
    by_place_.erase(it);
    return file;
  }

  // The one that has waited longest, if its time has come.
  std::optional<WrittenFile> TakeDue(absl::Time now) {
    if (next_due() > now || files_.empty()) return std::nullopt;
    return Take(files_.front().place);
  }
  absl::Time next_due() const {
    return files_.empty() ? absl::InfiniteFuture() : files_.front().due;
  }

  void Clear() {
    files_.clear();
    by_place_.clear();
  }

 private:
  const absl::Duration quiet_;
  std::list<WrittenFile> files_;  // in the order of their time
  absl::flat_hash_map<Place, std::list<WrittenFile>::iterator> by_place_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WRITTEN_FILES_H_
