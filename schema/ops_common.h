// What the operations of ops.h share: limits, and the parts that requests and
// replies are made of. Plain values.

#ifndef WARMFS_SCHEMA_OPS_COMMON_H_
#define WARMFS_SCHEMA_OPS_COMMON_H_

#include <cstdint>
#include <string>

#include "schema/types.h"

namespace warmfs {

// The limits of one request and one reply. The host enforces them.
inline constexpr uint32_t kMaxReadBytes = 2 * 1024 * 1024;
inline constexpr uint32_t kMaxReadFiles = 256;
inline constexpr uint32_t kMaxWriteBytes = 1024 * 1024;
inline constexpr uint32_t kMaxListEntries = 4096;
inline constexpr uint32_t kMaxListDirs = 256;
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

// What attach tells of an export, and hello of its host.
struct ExportInfo {
  std::string name;
  bool read_only = false;
  FileId root;
  // Another identity means another tree: a cache of it is of no use.
  std::string identity;
  // Who hostd runs as: what the VM sees as owned by the mounting user.
  uint32_t host_uid = 0;
  uint32_t host_gid = 0;
  // Hello's: differs each time hostd starts. Only clients have it.
  uint64_t instance = 0;
  // The host has a change journal: next, fence and leases are there.
  bool journal = false;
  // ListMany is there.
  bool list_many = false;
};

}  // namespace warmfs

#endif  // WARMFS_SCHEMA_OPS_COMMON_H_
