// The operations on an export, as plain values: one request and one reply for
// each. The client's channel sends a request and returns the reply; the host's
// export takes the request and makes the reply; rpc/wire.h carries both across.
//
// Rules that hold for every operation:
//  - A request names a node by its path beneath the export (no leading slash,
//    empty for the root, any bytes but NUL) and by the FileId that is expected
//    there. The host answers ESTALE if another object is there, or none and no
//    orphan of that FileId is kept.
//  - `error` is a Linux errno, 0 on success. On an error the other fields of a
//    reply hold nothing, except where a comment says otherwise.
//  - A mutating request carries `retry`: it was sent before and its reply was
//    lost, so finding its effect already there is success.
//  - A reply to a mutation carries the attributes before and after of all that
//    it changed (NFSv3's weak cache consistency, RFC 1813 section 2.6).
//  - string_view fields of a request are borrowed for the length of the call.

#ifndef WARMFS_SCHEMA_OPS_H_
#define WARMFS_SCHEMA_OPS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/types.h"

namespace warmfs {

// The limits of one request and one reply. The host enforces them.
inline constexpr uint32_t kMaxReadBytes = 2 * 1024 * 1024;
inline constexpr uint32_t kMaxReadFiles = 256;
inline constexpr uint32_t kMaxWriteBytes = 1024 * 1024;
inline constexpr uint32_t kMaxListEntries = 4096;
inline constexpr uint32_t kMaxXattrBytes = 64 * 1024;
inline constexpr size_t kMaxPathBytes = 64 * 1024;

struct NodeRef {
  std::string path;
  FileId id;
};

// Attributes of one object before and after a mutation.
struct Change {
  Attr before;
  Attr after;
};

struct Reply {
  int32_t error = 0;
  JournalPos pos;
};

// --- looking ---------------------------------------------------------------

struct AttrReply : Reply {
  Attr attr;
};

struct LookupRequest {
  NodeRef dir;
  std::string_view name;
};
// error ENOENT: `dir` is valid, the name is not there.
struct LookupReply : Reply {
  Attr entry;
  std::string target;  // of a symbolic link
  Attr dir;
};

struct DirEntry {
  std::string name;
  Attr attr;
  std::string target;  // of a symbolic link

  bool operator==(const DirEntry&) const = default;
};

// The digest of a listing: the sum, modulo 2^128, of one hash per entry over
// name and attributes except atime and racy. It does not depend on order. Zero
// means "none": a listing with a racy entry has none.
struct Digest {
  uint64_t hi = 0;
  uint64_t lo = 0;

  bool IsNone() const { return hi == 0 && lo == 0; }
  void Add(const DirEntry& entry);
  bool operator==(const Digest&) const = default;
};

struct ListRequest {
  NodeRef dir;
  Digest known;  // what the client holds; none if nothing
};
// One page of a listing, without "." and "..". When `unchanged`, the client's
// listing is still true and no entries follow. A directory with more entries
// than one page holds continues under `cursor`, which the host keeps open for
// the connection; 0 means that this was the last page, and only the last page
// carries the digest. `consistent` on the last page: the directory did not
// change while it was read.
struct ListReply : Reply {
  Attr dir;
  bool unchanged = false;
  bool consistent = true;
  Digest digest;
  std::vector<DirEntry> entries;
  uint64_t cursor = 0;
};

// Whole blocks of one file. known_hashes is empty, or holds for each block the
// XXH3-64 of what the client has (0: nothing).
struct ReadSpec {
  NodeRef node;
  uint64_t first_block = 0;
  uint32_t block_count = 0;
  std::vector<uint64_t> known_hashes;
};
struct BlockReply {
  bool unchanged = false;  // the client's hash is right; `bytes` is empty
  std::string bytes;       // shorter than kBlockBytes only at the end of file
};
// Blocks from first_block on; fewer than asked for at the end of the file or
// when the reply is full. `stable`: the version was the same before and after
// the bytes were read, so they all belong to `attr`.
struct FileRead {
  int32_t error = 0;
  Attr attr;
  bool stable = false;
  std::vector<BlockReply> blocks;
};
struct ReadRequest {
  std::vector<ReadSpec> files;
};
// One FileRead for each file, in order; files that did not fit any more are
// left off at the end, but the first is always there.
struct ReadReply : Reply {
  std::vector<FileRead> files;
};

struct ReadLinkReply : Reply {
  std::string target;
};

struct SeekRequest {
  NodeRef node;
  uint64_t offset = 0;
  bool hole = false;  // SEEK_HOLE, otherwise SEEK_DATA
};
struct SeekReply : Reply {
  uint64_t offset = 0;
};

struct StatFsReply : Reply {
  uint64_t block_bytes = 0;
  uint64_t blocks = 0;
  uint64_t blocks_free = 0;
  uint64_t blocks_available = 0;
  uint64_t files = 0;
  uint64_t files_free = 0;
  uint32_t name_max = 0;
};

// name empty: list. The reply's value is then the names, each ended by NUL.
struct GetXattrRequest {
  NodeRef node;
  std::string_view name;
};
struct GetXattrReply : Reply {
  std::string value;
};

// --- changing --------------------------------------------------------------

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
struct RenameReply : Reply {
  Attr moved;
  Attr other;
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

// What attach tells of an export.
struct ExportInfo {
  std::string name;
  bool read_only = false;
  FileId root;
  // Another identity means another tree: a cache of it is of no use.
  std::string identity;
  // Who hostd runs as: what the VM sees as owned by the mounting user.
  uint32_t host_uid = 0;
  uint32_t host_gid = 0;
  // Differs each time hostd starts; locks and orphans do not outlive it.
  uint64_t instance = 0;
};

}  // namespace warmfs

#endif  // WARMFS_SCHEMA_OPS_H_
