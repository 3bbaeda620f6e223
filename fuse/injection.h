// An inotify event to be raised in this kernel: what the injector is to perform
// on the mount, and what the kernel is told meanwhile. A value.

#ifndef WARMFS_FUSE_INJECTION_H_
#define WARMFS_FUSE_INJECTION_H_

#include <string>

#include "fuse/clock.h"
#include "fuse/tree.h"
#include "schema/types.h"

namespace warmfs::fuse {

enum class InjectionKind {
  kCreate,      // CREATE: mknod, mkdir, symlink by the type of `object`
  kLink,        // CREATE, and ATTRIB on the file: link from `to_dir`/`to_name`
  kDelete,      // DELETE; ATTRIB and DELETE_SELF on the file's own watch
  kRename,      // MOVED_FROM `dir`/`name`, MOVED_TO `to_dir`/`to_name`
  kMoveIn,      // MOVED_TO alone at `dir`/`name`
  kMoveOut,     // MOVED_FROM alone at `dir`/`name`
  kModify,      // MODIFY
  kAttributes,  // ATTRIB
  kCloseWrite,  // CLOSE_WRITE (and OPEN)
};

struct Injection {
  InjectionKind kind = InjectionKind::kModify;
  NodeId dir = 0;
  std::string name;  // empty: the directory `dir` itself (kAttributes)
  NodeId to_dir = 0;
  std::string to_name;
  // What it happens to, with the type and attributes that it had. It need not
  // exist on the host any more, nor be known to the tree; a file of which only
  // the name was ever known has an id that was made up.
  Attr object;
  std::string target;  // of a symbolic link that is created
  // What kRename and kMoveIn replace; id null: nothing.
  Attr replaced;
  uint64_t sequence = 0;  // of the host's event, for the fence and the log
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_INJECTION_H_
