// What the database holds: its column families as one table. Keys and values
// are laid out in codec.h and docs/cache-format.md.
//
// What is written with a log survives a crash of the process up to its last
// write. Without one, what was not flushed yet is lost; only content of more
// than a few KiB is so kept, whose header (with a log) tells that it is
// missing. Content of large files is not here, but in files (content_files.h).

#ifndef WARMFS_CACHE_KEY_SPACE_H_
#define WARMFS_CACHE_KEY_SPACE_H_

#include <cstddef>
#include <cstdint>

namespace warmfs::cache {

// Another number means another format: such a database is wiped and refilled.
inline constexpr uint32_t kFormatVersion = 3;

enum class KeySpace : uint8_t {
  kMeta,
  kAttr,
  kListing,
  kDirent,
  kBlock,
  kContent,
  kUsage,
};

struct KeySpaceRow {
  KeySpace id;
  const char* name;
  size_t write_buffer_bytes;  // of one memtable
  int write_buffers;          // at most, before edits are dropped
                              // (above 3, RocksDB throttles before it stops)
  size_t prefix_bytes;        // scans stay within it; 0: no such scans
  bool blob_files;            // values live beside the tree (BlobDB)
};

inline constexpr size_t kKeySpaceCount = 7;
inline constexpr size_t kIdBytes = 16;
inline constexpr size_t kMiB = size_t{1} << 20;

// What each holds:
//
//   kMeta     name of a field              -> its value
//   kAttr     FileId                       -> attributes
//   kListing  FileId (of a directory)      -> digest, lease; there if it is
//   complete kDirent   FileId, cookie, name         -> FileId kBlock    FileId,
//   index                -> version, racy, hash, length kContent  FileId, index
//   -> hash, bytes kUsage    FileId                       -> when its content
//   was last used
inline constexpr KeySpaceRow kKeySpaces[kKeySpaceCount] = {
    // RocksDB insists that the first family has this name.
    {KeySpace::kMeta, "default", kMiB / 4, 2, 0, false},
    {KeySpace::kAttr, "attr", 4 * kMiB, 3, 0, false},
    {KeySpace::kListing, "listing", kMiB, 2, 0, false},
    {KeySpace::kDirent, "dirent", 4 * kMiB, 3, kIdBytes, false},
    {KeySpace::kBlock, "block", kMiB, 3, kIdBytes, false},
    {KeySpace::kContent, "content", 12 * kMiB, 3, 0, true},
    {KeySpace::kUsage, "usage", kMiB, 2, 0, false},
};

// The fields of kMeta.
inline constexpr char kMetaFormat[] = "format";
inline constexpr char kMetaIdentity[] = "identity";
inline constexpr char kMetaRoot[] = "root";
inline constexpr char kMetaSource[] = "source";
inline constexpr char kMetaExportName[] = "export";
// How far the host's journal is taken in; in one batch with what it changed.
inline constexpr char kMetaCursor[] = "cursor";

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_KEY_SPACE_H_
