// The vocabulary that both sides of warmfs share: what names a host object,
// what identifies one state of its content, and its attributes.
//
// Everything here is a plain value: no ownership, no threads, no I/O, no
// Cap'n Proto. The wire's own form of these types is in warmfs.capnp;
// rpc/wire.h converts between the two.

#ifndef WARMFS_SCHEMA_TYPES_H_
#define WARMFS_SCHEMA_TYPES_H_

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

namespace warmfs {

// Content travels and is cached in blocks of this many bytes. Part of the wire
// contract and of the cache format: another value is another format.
inline constexpr uint32_t kBlockBytes = 128 * 1024;

// The longest name of one directory entry, in bytes (NAME_MAX).
inline constexpr size_t kMaxNameBytes = 255;

// Names a host object across renames, and is never reused: on Linux a hash of
// (file system id, inode, birth time, file handle). The zero value names
// nothing.
struct FileId {
  uint64_t hi = 0;
  uint64_t lo = 0;

  bool IsNull() const { return hi == 0 && lo == 0; }
  // 32 lower-case hexadecimal digits.
  std::string ToString() const;

  auto operator<=>(const FileId&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const FileId& id) {
    return H::combine(std::move(h), id.hi, id.lo);
  }
};

// Seconds and nanoseconds since the Unix epoch. Not an int64 of nanoseconds:
// that ends in 2262, and files carry stranger times than that.
struct Timestamp {
  int64_t sec = 0;
  uint32_t nsec = 0;

  auto operator<=>(const Timestamp&) const = default;
};

// One state of a file's content. Two equal versions mean equal bytes, unless
// the attributes that they were taken from were racy (Attr::racy).
struct Version {
  FileId id;
  uint64_t size = 0;
  Timestamp mtime;
  Timestamp ctime;

  bool operator==(const Version&) const = default;
};

// A position in the host's change journal: which journal, and how far. Replies
// carry the position that the journal had before the host looked at the file
// system. A host without a journal answers sequence 0 of a journal of its own.
struct JournalPos {
  uint64_t journal_id = 0;
  uint64_t sequence = 0;

  auto operator<=>(const JournalPos&) const = default;
};

// What stat(2) tells of an object. `mode` holds the file type too (S_IFMT), in
// Linux's numbers. Owner and mode are as the VM should see them: an overlay of
// the host (see docs/security.md) is applied already.
struct Attr {
  FileId id;
  uint64_t ino = 0;
  uint64_t size = 0;
  uint64_t blocks_512 = 0;
  uint64_t rdev = 0;
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t nlink = 0;
  Timestamp atime;
  Timestamp mtime;
  Timestamp ctime;
  // ctime was younger than the host's timestamp granularity when these
  // attributes were taken: the content may still change without a change of
  // version (the "racily clean" problem of git's index).
  bool racy = false;

  Version version() const { return {id, size, mtime, ctime}; }
  bool IsDirectory() const { return (mode & 0170000) == 0040000; }
  bool IsRegular() const { return (mode & 0170000) == 0100000; }
  bool IsSymlink() const { return (mode & 0170000) == 0120000; }

  bool operator==(const Attr&) const = default;
};

}  // namespace warmfs

#endif  // WARMFS_SCHEMA_TYPES_H_
