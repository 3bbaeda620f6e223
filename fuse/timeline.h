// What names stood for at the moment of an event, where that is not what they
// stand for now.
//
// The cache knows the present. Events tell the past, and are raised one by one:
// when a file was created, written and renamed before the client heard of any
// of it, the watchers are still told of all three, each with the object that
// the name had then. So between the first and the last event of such a burst a
// name has another object here than in the cache; after the last one they
// agree, and nothing is kept.
//
// Bounded: beyond kMaxNames all is forgotten, and an event of an unknown object
// gets one that is made up. Thread-compatible; belongs to the applier.

#ifndef WARMFS_FUSE_TIMELINE_H_
#define WARMFS_FUSE_TIMELINE_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "schema/types.h"

namespace warmfs::fuse {

class Timeline {
 public:
  static constexpr size_t kMaxNames = 65536;

  // What the name stood for before the event at hand; id null: nothing.
  // Nothing at all: what the cache knew of it before the event.
  std::optional<Attr> At(const FileId& dir, std::string_view name) const;
  // It stands for this from now on; `truth`: what it stands for in the cache.
  void Set(const FileId& dir, std::string_view name, const Attr& object,
           const FileId& truth);
  // An object of this type of which nothing else is known.
  Attr MakeUp(bool directory);

  size_t size() const { return names_.size(); }

 private:
  absl::flat_hash_map<std::pair<FileId, std::string>, Attr> names_;
  uint64_t made_up_ = 0;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_TIMELINE_H_
