// What the file system tells the kernel of names and nodes. Values.

#ifndef WARMFS_FUSE_ENTRY_H_
#define WARMFS_FUSE_ENTRY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "fuse/clock.h"
#include "fuse/tree.h"
#include "schema/types.h"

namespace warmfs::fuse {

// What the kernel is told of a node. `valid_for`: how long it may believe it.
struct Entry {
  NodeId node = 0;  // 0: the name is not there
  Attr attr;
  absl::Duration valid_for;
  // Shown to who asks; the kernel itself is not to take it in.
  bool for_caller_only = false;
};

struct DirItem {
  std::string name;
  uint64_t cookie = 0;
  Attr attr;  // id null: not known, only the name is
};

struct DirPage {
  std::vector<DirItem> items;
  Instant fresh_at = 0;
};

// Who asks: the process's user in the VM.
struct Caller {
  uint32_t uid = 0;
  uint32_t gid = 0;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_ENTRY_H_
