// The persistent cache of one export: attributes, directory entries and blocks
// of content, in one RocksDB database, with the content of large files beside
// it. The format is docs/cache-format.md.
//
// Concept. The cache only remembers; it promises nothing about the present. A
// record was true when it was written, and the caller decides (by a check or a
// lease) whether it still is. Losing any record costs one fetch and no more, so
// no function here fails for reasons of storage: a lookup then finds nothing,
// an edit is dropped, and health() says why.
//
// Storage that cannot be opened, is corrupted, full or of another format never
// stops a mount. Another format or another export's identity: wiped and filled
// again. Corrupted: wiped. Not usable (no right, no space, read-only disk): the
// cache lives in memory, bounded, until the next mount.
//
// Thread-safe. Calls never wait for a RocksDB write stall: an edit that would
// is dropped, and a dropped edit of a directory marks its listing incomplete.
// One process at a time has a database open (RocksDB's own lock).

#ifndef WARMFS_CACHE_CACHE_H_
#define WARMFS_CACHE_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "schema/ops.h"
#include "schema/types.h"

namespace warmfs::cache {

struct CacheOptions {
  // The database's directory; made if missing. Empty: in memory only.
  std::string directory;
  // Of the export (ExportInfo::identity, root). Empty: whatever the database
  // says, for tools that open a cache at rest.
  std::string identity;
  FileId root;
  // What the mount was made from; recorded for tools, not compared.
  std::string source;
  std::string export_name;
  uint64_t max_bytes = uint64_t{10} << 30;
};

// A position in a directory's order: increasing, stable while the directory
// changes and across restarts, and fit for a readdir offset (positive, 63
// bits). 0 is before the first entry; 1 and 2 are left for "." and "..".
uint64_t NameCookie(std::string_view name);

struct NodeRecord {
  Attr attr;
  // Of a directory: the entries held are all there are, and their digest as
  // the host gave it.
  bool listing_complete = false;
  Digest digest;
  // The journal under whose lease the listing is; 0: none.
  uint64_t lease = 0;
};

struct EntryView {
  uint64_t cookie = 0;
  std::string_view name;
  FileId id;
};

enum class Presence { kUnknown, kAbsent, kPresent };

struct LookupResult {
  Presence presence = Presence::kUnknown;
  FileId id;
};

struct Block {
  Version version;
  bool racy = false;  // read under racy attributes: check before trusting it
  uint64_t hash = 0;  // XXH3-64 of bytes; verified already
  Buffer bytes;
};

struct Health {
  bool persistent = true;
  std::string reason;  // why not, for a person; empty when persistent
};

struct Usage {
  uint64_t content_bytes = 0;  // sum of the blocks held
  uint64_t disk_bytes = 0;     // what database and content files occupy
  uint64_t max_bytes = 0;
  uint64_t blocks = 0;
  uint64_t nodes = 0;    // estimated
  uint64_t entries = 0;  // estimated
};

struct Counters {
  uint64_t block_hits = 0;
  uint64_t block_misses = 0;
  uint64_t hash_mismatches = 0;  // damaged: dropped, to be fetched again
  uint64_t evicted_files = 0;
  uint64_t dropped_edits = 0;
};

struct VerifyReport {
  uint64_t blocks = 0;
  uint64_t bytes = 0;
  uint64_t bad_blocks = 0;
  uint64_t bad_records = 0;  // undecodable attributes, entries, usage
};

// Edits of metadata, applied together by Cache::Commit.
class Edit {
 public:
  Edit();
  ~Edit();
  Edit(Edit&&) noexcept;

  // Attributes of a known object; keeps what is known of a directory's listing.
  void PutAttr(const Attr& attr);
  void PutEntry(const FileId& dir, std::string_view name, const FileId& id);
  void RemoveEntry(const FileId& dir, std::string_view name);
  // A symbolic link's target, kept as its block 0.
  void PutTarget(const Attr& attr, std::string_view target);
  // The object is gone: its attributes, listing and blocks go.
  void Forget(const FileId& id);
  // The directory's entries are no longer known to be all.
  void MarkIncomplete(const FileId& dir);
  // The listing of the directory, if it is complete, is under this lease.
  void SetLease(const FileId& dir, uint64_t lease);
  // How far the journal is taken in, with this edit.
  void SetCursor(const JournalPos& cursor);

 private:
  friend class Cache;
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

// Consecutive blocks of one file, from `first` on, as read under `attr`.
struct FileBlocks {
  Attr attr;
  uint64_t first = 0;
  std::vector<std::string_view> blocks;
};

class Cache {
 public:
  // Fails only when the database is open in another process
  // (FailedPrecondition), or when options.identity is empty and there is no
  // readable cache (NotFound).
  static absl::StatusOr<std::unique_ptr<Cache>> Open(CacheOptions options);
  ~Cache();

  // --- metadata ---
  std::optional<NodeRecord> GetNode(const FileId& id);
  // kAbsent only if the directory's listing is complete.
  LookupResult Lookup(const FileId& dir, std::string_view name);
  // Entries with a cookie above `after`, in order of (cookie, name), until
  // `visit` answers false. Two names of one cookie are adjacent. False if the
  // listing is not complete (nothing is visited).
  bool ReadDir(const FileId& dir, uint64_t after,
               const std::function<bool(const EntryView&)>& visit);
  // Whatever entries are held, complete or not: for inspection.
  void VisitEntries(const FileId& dir,
                    const std::function<bool(const EntryView&)>& visit);

  void Commit(Edit edit);
  // Replaces all entries of `dir` by these, with their attributes and targets,
  // atomically. `complete` false keeps other entries that are held.
  void PutListing(const Attr& dir, absl::Span<const DirEntry> entries,
                  const Digest& digest, bool complete, uint64_t lease = 0);
  // A listing that comes in pages: BeginListing removes what is held and marks
  // the directory incomplete, PutListing with `complete` false adds each page,
  // SealListing says that this was all.
  void BeginListing(const Attr& dir);
  void SealListing(const Attr& dir, const Digest& digest, uint64_t lease = 0);

  // No listing is under a lease any more.
  void EndLeases();

  // --- content ---
  // Of whatever version it was read under; the caller compares. Nothing if not
  // held, or if its hash does not match (then dropped; counted if that is
  // damage, and not what a crash leaves).
  std::optional<Block> GetBlock(const FileId& id, uint64_t index);
  // Who is going to get these blocks of a file of that size: has them read from
  // the disk together, so far as they are in a file of their own.
  void Expect(const FileId& id, uint64_t file_bytes, uint64_t first,
              uint64_t last);
  // Of several files at the price of little more than one.
  void PutBlocks(absl::Span<const FileBlocks> files);
  void PutBlocks(const Attr& attr, uint64_t first,
                 absl::Span<const std::string_view> blocks);
  // Of whatever version; its first block at least.
  bool HoldsContent(const FileId& id);
  // Until PutBlocks would not drop them since the database is busy, for a
  // second at most. For a thread that nobody waits for.
  void AwaitRoom();

  // --- the cache as a whole ---
  // The last one that was committed; journal id 0 if there is none.
  JournalPos cursor();
  const CacheOptions& options() const;  // identity, root, source as recorded
  Health health() const;
  Usage usage();
  Counters counters() const;
  // Evicts least recently used files' content until it is at most `bytes`;
  // returns how many bytes went.
  uint64_t Evict(uint64_t bytes);
  // Removes the content of one file; returns the bytes held before.
  uint64_t EvictFile(const FileId& id);
  void Clear();
  // How many bytes of content are held of a file.
  uint64_t ContentBytes(const FileId& id);
  // Every record, every block against its hash; `on_bad` gets one line for
  // each fault. Removes nothing.
  VerifyReport Verify(const std::function<void(std::string_view)>& on_bad);
  // Waits until all edits so far are on disk. Content files are not synced:
  // the hashes of their blocks tell what a crash of the machine took.
  void Flush();

 private:
  class Impl;
  explicit Cache(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_CACHE_H_
