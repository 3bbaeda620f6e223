// The bytes of large files: a sparse file for each, beside the database, which
// keeps the headers of the blocks and the content of small files.
//
// Concept. Block i is at offset i * kBlockBytes of content/DD/ID, where ID is
// the FileId in 32 digits and DD the last two of them. These are mere bytes.
// Which of them are a block, of which length and version, only its header says,
// by the hash that they must have. So they need no order and no sync:
//
//   - A crash of the process loses nothing that was written (the kernel has it)
//     and tears at most the block that was just being written.
//   - After a crash of the machine bytes may be holes, older than their header,
//     or newer: of three states that do not hash to it.
//   - A reader takes no lock. One who comes between a header and its bytes,
//     while a newer version is written in their place, sees such a state too.
//
// None of that can be told from bytes that the disk has spoilt, and all of it
// costs one fetch. So bytes that do not match are *lost*: the caller looks
// again under the lock of the file, drops the header, and counts no damage.
// Damage is what the disk itself reports when it is read (EIO).
//
// A file without a header is an orphan: a crash came between the removal of the
// headers and that of the file, or took headers that had not reached the disk.
// Whoever opens the cache has them removed (Visit).
//
// Owns the folder `content` of a cache's directory and the open descriptors,
// kMaxOpen at most. No link is followed beneath the directory, and nothing is
// touched that has not a name as above.
//
// Thread-safe. Who calls Write, Punch or Remove has the file's lock, so that
// these are one at a time; Read may come at any moment. No I/O under `mu_`.

#ifndef WARMFS_CACHE_CONTENT_FILES_H_
#define WARMFS_CACHE_CONTENT_FILES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "schema/buffer.h"
#include "schema/types.h"
#include "schema/unique_fd.h"

namespace warmfs::cache {

class ContentFiles {
 public:
  // Content of files up to this size is in the database: it comes with the
  // header, in one log, and a file in the file system would cost more.
  static constexpr uint64_t kSmallFileBytes = uint64_t{1} << 20;
  // Blocks from here on are in the database too: 8 TiB, which is below what
  // file systems can do in one file.
  static constexpr uint64_t kMaxBlocks = uint64_t{1} << 26;

  static bool Takes(uint64_t file_bytes, uint64_t index) {
    return file_bytes > kSmallFileBytes && index < kMaxBlocks;
  }

  // Makes the folder if it is missing.
  static absl::StatusOr<std::unique_ptr<ContentFiles>> Open(
      const std::string& directory);
  // Removes all content files in a cache's directory, and nothing else.
  static void RemoveAll(const std::string& directory);

  // Exactly `bytes` bytes. NotFound: they are not there. Unavailable: not now,
  // which says nothing about them. Otherwise the storage is at fault.
  absl::Status Read(const FileId& id, uint64_t index, size_t bytes,
                    Buffer& out);
  // Has the disk read them together. A hint: they need not be there.
  void Expect(const FileId& id, uint64_t first, uint64_t count);
  // Unavailable: not kept, but others may be. Otherwise the storage is at
  // fault: full, broken, or not ours.
  absl::Status Write(const FileId& id, uint64_t index, std::string_view bytes);
  // Gives back the space of one block.
  void Punch(const FileId& id, uint64_t index);
  void Remove(const FileId& id);

  // The files there are, until `visit` answers false; it may remove them.
  void Visit(const std::function<bool(const FileId&)>& visit);
  // What they occupy: looks at each.
  uint64_t DiskBytes();

 private:
  // Closed when the last who uses it is done.
  using FilePtr = std::shared_ptr<const UniqueFd>;
  struct Opened {
    FileId id;
    FilePtr file;
  };
  static constexpr size_t kMaxOpen = 64;

  explicit ContentFiles(UniqueFd root) : root_(std::move(root)) {}

  absl::StatusOr<FilePtr> OpenFile(const FileId& id, bool create);
  FilePtr FindOpened(const FileId& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const UniqueFd root_;  // the folder
  absl::Mutex mu_;
  // The most recently used first.
  std::vector<Opened> opened_ ABSL_GUARDED_BY(mu_);
  // Counts Remove: what was opened before one may be a file that is gone, and
  // must not be found here by the next who writes.
  uint64_t removals_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_CONTENT_FILES_H_
