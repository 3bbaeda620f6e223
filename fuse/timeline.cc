#include "fuse/timeline.h"

#include <sys/stat.h>

namespace warmfs::fuse {

std::optional<Attr> Timeline::At(const FileId& dir,
                                 std::string_view name) const {
  if (names_.empty()) return std::nullopt;
  const auto it = names_.find(std::pair(dir, std::string(name)));
  if (it == names_.end()) return std::nullopt;
  return it->second;
}

void Timeline::Set(const FileId& dir, std::string_view name, const Attr& object,
                   const FileId& truth) {
  std::pair key(dir, std::string(name));
  if (object.id == truth) {
    names_.erase(key);
    return;
  }
  if (names_.size() >= kMaxNames) names_.clear();
  names_.insert_or_assign(std::move(key), object);
}

Attr Timeline::MakeUp(bool directory) {
  Attr attr;
  // No object of a host has an id like this, which is a hash of 128 bits.
  attr.id = {0, ++made_up_};
  attr.ino = ~made_up_;
  attr.mode = directory ? S_IFDIR | 0755 : S_IFREG | 0644;
  attr.nlink = 1;
  return attr;
}

}  // namespace warmfs::fuse
