// The operations that change, and locks; the rules for all operations are in
// ops.h.

#ifndef WARMFS_SCHEMA_OPS_CHANGE_H_
#define WARMFS_SCHEMA_OPS_CHANGE_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "schema/ops_common.h"
#include "schema/types.h"

namespace warmfs {

// A time to set: to the host's own now, or to a value.
struct TimeOrNow {
  bool now = false;
  Timestamp time;
};

struct SetAttrRequest {
  NodeRef node;
  std::optional<uint32_t> mode;  // permission bits only
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint64_t> size;
  std::optional<TimeOrNow> atime;
  std::optional<TimeOrNow> mtime;
};
struct ChangeReply : Reply {
  Change node;
};

// Creates a file, directory, symbolic link, FIFO or Unix socket, told by the
// type bits of `mode`. uid and gid: the owner wanted; without gid, the host's
// rule holds (a setgid directory). exclusive = false opens a regular file that
// is there already: `existed` is then set and nothing was changed.
struct CreateRequest {
  NodeRef dir;
  std::string_view name;
  uint32_t mode = 0;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::string_view target;  // of a symbolic link
  bool exclusive = true;
  bool retry = false;
};
struct CreateReply : Reply {
  Attr entry;
  bool existed = false;
  Change dir;
};

struct LinkRequest {
  NodeRef node;
  NodeRef dir;
  std::string_view name;
  bool retry = false;
};
struct LinkReply : Reply {
  Attr entry;
  Change dir;
};

// keep_orphan: the VM still refers to the object, so the host keeps it open,
// reachable by its FileId, until the client releases it or is gone.
struct RemoveRequest {
  NodeRef dir;
  std::string_view name;
  bool directory = false;
  bool keep_orphan = false;
  bool retry = false;
};
// `removed` are its attributes after (nlink is 0 if it was the last name). Its
// id is null if a retry found the name gone.
struct RemoveReply : Reply {
  Attr removed;
  Change dir;
};

// flags as in renameat2(2): 0, RENAME_NOREPLACE (1) or RENAME_EXCHANGE (2).
struct RenameRequest {
  NodeRef from_dir;
  std::string_view from_name;
  NodeRef to_dir;
  std::string_view to_name;
  uint32_t flags = 0;
  FileId expected;  // what from_name is, for a retry; may be null
  bool keep_orphan = false;
  bool retry = false;
};
// `other`: what was replaced (attributes after) or exchanged; null id if none.
// `unsettled`: the names are not what this rename makes them, since somebody
// else changed one in the same moment, or since both are links of one file,
// which rename(2) leaves alone. Then both names are to be looked at again.
struct RenameReply : Reply {
  Attr moved;
  Attr other;
  bool unsettled = false;
  Change from_dir;
  Change to_dir;
};

// append: O_APPEND, the host chooses the offset. For a retry of an append,
// `offset` is the size the client saw before.
struct WriteRequest {
  NodeRef node;
  uint64_t offset = 0;
  std::string_view data;
  bool append = false;
  bool retry = false;
};
struct WriteReply : Reply {
  uint32_t written = 0;
  Change node;
};

// mode as in fallocate(2): 0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE.
struct AllocateRequest {
  NodeRef node;
  int32_t mode = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
};

struct CopyRequest {
  NodeRef from;
  uint64_t from_offset = 0;
  NodeRef to;
  uint64_t to_offset = 0;
  uint64_t length = 0;
};
struct CopyReply : Reply {
  uint64_t copied = 0;
  Change to;
};

struct SyncRequest {
  NodeRef node;
  bool data_only = false;
};

// value absent: remove. flags as in setxattr(2): XATTR_CREATE, XATTR_REPLACE.
struct SetXattrRequest {
  NodeRef node;
  std::string_view name;
  std::optional<std::string_view> value;
  int32_t flags = 0;
};

enum class LockKind : uint8_t { kPosix = 0, kFlock = 1 };
enum class LockType : uint8_t { kRead = 0, kWrite = 1, kUnlock = 2 };

// A lock on the host, held for (client, node, owner, kind). Never waits: EAGAIN
// when another holds it. test: F_GETLK; the reply tells who is in the way.
struct LockRequest {
  NodeRef node;
  uint64_t owner = 0;
  LockKind kind = LockKind::kPosix;
  LockType type = LockType::kUnlock;
  uint64_t start = 0;
  uint64_t length = 0;  // 0: to the end
  bool test = false;
};
struct LockReply : Reply {
  LockType type = LockType::kUnlock;
  uint64_t start = 0;
  uint64_t length = 0;
  uint32_t pid = 0;
};

// Orphans that the VM no longer refers to.
struct ReleaseRequest {
  std::vector<FileId> orphans;
};

}  // namespace warmfs

#endif  // WARMFS_SCHEMA_OPS_CHANGE_H_
