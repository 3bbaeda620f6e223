// The file system's part in an injected call: what the kernel is told of a name
// that a hand asks for. Nothing here asks the host.
//
// The truth is what the cache has. If the object is there according to it, it
// is given as by any look-up. Otherwise it is something of the past, or not to
// be seen yet: the kernel is given a node for it that has no place in the tree
// because of that, and may believe nothing of it for longer than the call.
//
// A reply to a change is believed by the kernel whatever it learnt meanwhile
// (fuse_do_setattr, create_new_entry: no attribute version is compared). Newer
// attributes that are told between such a reply and the end of the call would
// be replaced by older ones, and a reader who asks just then would go by a size
// of the past. So a node is held from before the reply to the end of the call:
// the applier waits for that as for a change of our own, and whoever makes the
// kernel's file longer (growth.h) waits as well, or has said so before.
//
// Thread-safe. Takes FileSystem::apply_mu_, under which tree and cache agree.

#ifndef WARMFS_FUSE_INJECTED_NAMES_H_
#define WARMFS_FUSE_INJECTED_NAMES_H_

#include <optional>
#include <string_view>

#include "fuse/entry.h"
#include "fuse/file_system.h"
#include "fuse/injection_plan.h"

namespace warmfs::fuse {

class InjectedNames {
 public:
  explicit InjectedNames(FileSystem& fs) : fs_(fs) {}

  // One lookup of the node is counted. `loses_link`: the call takes this name
  // away from the object.
  Entry Bind(NodeId dir, std::string_view name, const Attr& object,
             bool loses_link);
  // Nothing if the node is not known.
  std::optional<Entry> AttrOf(NodeId node);

  // The kernel has taken in that a file is shorter.
  void NoteShorter(const Shorter& file);

  void Hold(NodeId node);
  void Release(NodeId node);

  // The object still has all the names that it had then.
  bool Lives(const Attr& object);

  // What the cache says is at the name; nothing if it does not know. A null id:
  // no such name.
  std::optional<FileId> Truth(NodeId dir, std::string_view name);

 private:
  // The cache agrees with where the tree has it.
  bool IsInPlace(const NodeView& view);

  FileSystem& fs_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_INJECTED_NAMES_H_
