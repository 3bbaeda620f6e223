// What the mount means: each operation of a file system, answered from the tree
// and the cache where the host's word is fresh, and from the host otherwise.
// Knows no libfuse, RocksDB or Cap'n Proto; session.h has the kernel before it.
//
// Thread rule: thread-safe. Each calling thread brings its own channel to the
// host. No lock is held while the host is asked, nor while the kernel is told
// of an invalidation (the notifier's thread does that).
//
// Answers of the host change tree and cache under one lock, `apply_mu_`, so
// that the two agree (docs/locking.md). Errors carry their errno; EIO: the host
// is away for longer than host_wait.

#ifndef WARMFS_FUSE_FILE_SYSTEM_H_
#define WARMFS_FUSE_FILE_SYSTEM_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cache/cache.h"
#include "fuse/block_writer.h"
#include "fuse/clock.h"
#include "fuse/entry.h"
#include "fuse/fetching.h"
#include "fuse/file_system_options.h"
#include "fuse/listing_diff.h"
#include "fuse/page_drops.h"
#include "fuse/prefetch.h"
#include "fuse/scout.h"
#include "fuse/single_flight.h"
#include "fuse/tree.h"
#include "rpc/channel.h"
#include "schema/ops.h"

namespace warmfs::fuse {

class FileSystem {
 public:
  // `root`: attributes of the export's root, just fetched. `cache` and `clock`
  // outlive it.
  FileSystem(FileSystemOptions options, cache::Cache& cache, const Clock& clock,
             const Attr& root, Invalidations invalidations);
  ~FileSystem();

  // --- looking ---
  absl::StatusOr<Entry> Lookup(rpc::Channel& host, NodeId dir,
                               std::string_view name);
  void Forget(NodeId node, uint64_t count);
  absl::StatusOr<Entry> GetAttr(rpc::Channel& host, NodeId node);
  absl::StatusOr<std::string> ReadLink(rpc::Channel& host, NodeId node);
  // Up to `limit` entries after the cookie `after`, in their order; entries of
  // one cookie are never parted. No "." and "..".
  absl::StatusOr<DirPage> ReadDir(rpc::Channel& host, NodeId dir,
                                  uint64_t after, size_t limit);
  // The kernel is given this item of a page: its node, one lookup counted.
  Entry Bind(NodeId dir, const DirItem& item, Instant fresh_at);
  // At most `size` bytes from `offset`; fewer only at the end of the file.
  absl::StatusOr<BlockPieces> Read(rpc::Channel& host, NodeId node,
                                   uint64_t offset, size_t size);
  absl::StatusOr<uint64_t> Seek(rpc::Channel& host, NodeId node,
                                uint64_t offset, bool hole);
  absl::StatusOr<StatFsReply> StatFs(rpc::Channel& host, NodeId node);
  // name empty: the list of names.
  absl::StatusOr<std::string> GetXattr(rpc::Channel& host, NodeId node,
                                       std::string_view name);

  // --- changing ---
  absl::StatusOr<Entry> SetAttr(rpc::Channel& host, NodeId node,
                                SetAttrRequest wanted);
  // `mode` with its type. Not exclusive: opens a regular file that is there.
  absl::StatusOr<Entry> Create(rpc::Channel& host, const Caller& caller,
                               NodeId dir, std::string_view name, uint32_t mode,
                               std::string_view target, bool exclusive);
  absl::Status Remove(rpc::Channel& host, NodeId dir, std::string_view name,
                      bool directory);
  absl::Status Rename(rpc::Channel& host, NodeId from_dir,
                      std::string_view from_name, NodeId to_dir,
                      std::string_view to_name, uint32_t flags);
  absl::StatusOr<Entry> Link(rpc::Channel& host, NodeId node, NodeId dir,
                             std::string_view name);
  absl::StatusOr<size_t> Write(rpc::Channel& host, NodeId node, uint64_t offset,
                               std::string_view data, bool append);
  absl::Status Allocate(rpc::Channel& host, NodeId node, int mode,
                        uint64_t offset, uint64_t length);
  absl::StatusOr<uint64_t> Copy(rpc::Channel& host, NodeId from,
                                uint64_t from_offset, NodeId to,
                                uint64_t to_offset, uint64_t length);
  absl::Status Sync(rpc::Channel& host, NodeId node, bool data_only);
  absl::Status SetXattr(rpc::Channel& host, SetXattrRequest wanted,
                        NodeId node);
  absl::StatusOr<LockReply> Lock(rpc::Channel& host, NodeId node,
                                 LockRequest wanted);

  // --- leases ---
  // From now on leases of this journal count (0: of none; nobody follows it).
  // Another one than before, or one that has moved on unseen: all leases are
  // void, and the answer is the directories whose names the kernel keeps.
  std::vector<NodeId> FollowJournal(uint64_t journal, bool moved_on = false);
  // Its listing is in the cache, complete and fresh. One asks, others wait.
  absl::Status CheckListing(rpc::Channel& host, NodeId dir);
  bool ListAhead(rpc::Channel& host);  // for a walker; false: none for now
  // Has watchers told, once the kernel has dropped what it was told to drop.
  void Raise(std::vector<Injection> injections) {
    invalidations_.raise(std::move(injections));
  }
  uint64_t journal() const { return journal_.load(std::memory_order_acquire); }

  // --- upkeep ---
  void ReleaseOrphans(rpc::Channel& host);
  size_t forgotten_orphans();
  // Fetches a file's content into the cache; the bytes that were fetched.
  absl::StatusOr<uint64_t> WarmFile(rpc::Channel& host, NodeId node);
  void FlushContent() { block_writer_.Flush(); }  // into the cache
  const FileSystemOptions& options() const { return options_; }
  const Tree& tree() const { return tree_; }
  PageDrops& drops() { return drops_; }
  void NoteDropped(NodeId node, bool pages);  // the kernel was told to
  cache::Cache& cache() { return cache_; }
  const FileSystemCounters& counters() const { return counters_; }

 private:
  friend class AheadFetcher;
  friend class Applier;
  friend class EarlyEnd;
  friend class InjectedNames;
  friend class Pusher;
  friend class Session;

  // --- freshness (freshness.cc) ---
  absl::StatusOr<NodeView> Known(NodeId node) const;
  bool Fresh(Instant at) const;
  absl::Duration Remaining(Instant at) const;
  absl::Status FetchListing(rpc::Channel& host, NodeId dir);
  ListReply List(rpc::Channel& host, const ListRequest& request);  // ahead.cc
  bool TakeListingAhead(const ListRequest& request, ListReply& page,
                        const JournalPos& pos, const Question& question);
  bool ResumeLease(const NodeView& dir);
  absl::Status StoreListing(rpc::Channel& host, Listing& listing,
                            ListReply& page);
  void TakePage(Listing& listing, ListReply& page);
  void FinishListing(Listing& listing, const Attr& dir);
  // Attributes that are fresh, from the directory's listing or by themselves.
  absl::StatusOr<NodeView> FreshAttr(rpc::Channel& host, NodeId node);
  absl::Status StorePages(rpc::Channel& host, Listing& listing,
                          uint64_t cursor);
  // The host finds `node` not where we took it to be: OK if it has another path
  // now. Otherwise the node is marked as gone.
  absl::Status Relocate(rpc::Channel& host, const NodeView& node);
  absl::Status RelocatePlaceless(const NodeView& node);
  absl::StatusOr<NodeView> FetchAttr(rpc::Channel& host, NodeView node);
  absl::StatusOr<NodeView> TakeAttr(NodeId node, const Attr& attr, Stamp asked,
                                    Instant at);
  void InvalidatePages(NodeId node, PageEffect effect);
  void DropPages(NodeId node);

  // --- lookups (lookup.cc) ---
  absl::StatusOr<Entry> LookupInCache(const NodeView& dir,
                                      std::string_view name, bool& unknown);
  absl::StatusOr<Entry> LookupOnHost(rpc::Channel& host, const NodeView& dir,
                                     std::string_view name);
  bool ReadDirFromCache(const NodeView& dir, uint64_t after, size_t limit,
                        DirPage& page);
  absl::StatusOr<DirPage> ReadDirFromHost(rpc::Channel& host,
                                          const NodeView& dir, uint64_t after,
                                          size_t limit);
  Entry MakeEntry(NodeId node, const Attr& attr, Instant fresh_at);
  Entry MakeEntry(const Tree::Bound& bound, Instant listed_at);
  // Of a shorter file too; but then for the caller only.
  Entry MakeTrueEntry(NodeId node, const Attr& attr, Instant fresh_at);

  // --- content (content.cc) ---
  absl::Status ReadOnce(rpc::Channel& host, NodeView& file, uint64_t first,
                        uint64_t last, int ahead, bool alone, Blocks& blocks);
  bool TakeFromCache(const NodeView& file, uint64_t index, Blocks& blocks);
  // Of whatever version.
  std::optional<RecentBlocks::Block> Held(const FileId& file, uint64_t index);
  bool MayTake(const NodeView& file, uint64_t index,
               const RecentBlocks::Block& block) const;
  absl::Status Fetch(rpc::Channel& host, NodeView& file, uint64_t first,
                     uint64_t last, int ahead, Blocks& blocks);
  // One question for all; `blocks` are the first's, and so is the error.
  absl::Status FetchWanted(rpc::Channel& host, std::vector<Wanted>& wanted,
                           SingleFlight::Several& others, Blocks& blocks);
  Wanted Want(const NodeView& file, uint64_t first, uint64_t last);
  bool Holds(const FileId& file);  // its first block at least
  int ReadersAhead(const NodeView& file, uint64_t offset);
  // The small files that follow one in its directory, those before it, and then
  // those of directories in it and beside it; so many and kWholeBytes at most.
  std::vector<Upcoming> Following(const NodeView& file, int most,
                                  Filter accept);
  // Those of them that are not there and that nobody is at.
  void WantAhead(const std::vector<Upcoming>& files,
                 SingleFlight::Several& ours, std::vector<Wanted>& wanted);
  // Takes in the host's answer for one file; stores what is racy.
  Blocks Keep(Wanted& wanted, FileRead& read, Stamp asked, Instant at);
  void DropBlocks(const FileId& file);

  // --- changes (change.cc) ---
  // The reply to send(node's ref), asked again if the host has moved the node:
  // no system call on an open file is asked again by the kernel.
  template <typename Send>
  auto SendFollowing(rpc::Channel& host, NodeView& node, Send send);
  void FinishDirChange(NodeId dir, Stamp begun, const Change& change,
                       cache::Edit& edit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mu_);
  absl::Status FailDirChange(NodeId dir, Stamp begun, std::string_view name,
                             int error);
  absl::Status FinishNodeChange(const NodeView& node, Stamp begun, int error,
                                const Change& change);
  void Place(const NodeView& dir, std::string_view name, Stamp begun,
             const Attr& attr, cache::Edit& edit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mu_);
  void DoubtName(const NodeView& dir, std::string_view name, cache::Edit& edit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mu_);
  bool KernelHolds(const NodeView& dir, std::string_view name);
  void Removed(const NodeView& dir, std::string_view name, Stamp begun,
               const Attr& after, bool kept, cache::Edit& edit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mu_);

  const FileSystemOptions options_;
  cache::Cache& cache_;
  const Clock& clock_;
  const Invalidations invalidations_;
  PageDrops drops_{invalidations_.overtake, invalidations_.held_up};
  Tree tree_;
  Prefetch prefetch_;
  Scout scout_{invalidations_.list_ahead};
  BlockWriter block_writer_;
  absl::Mutex apply_mu_;
  std::atomic<uint64_t> journal_{0};
  uint64_t last_journal_ ABSL_GUARDED_BY(apply_mu_) = 0;
  // How often it was turned to, or away from; how far it is taken in.
  uint64_t journal_turns_ ABSL_GUARDED_BY(apply_mu_) = 0;
  uint64_t taken_in_ ABSL_GUARDED_BY(apply_mu_) = 0;
  SingleFlight listings_, fetches_;  // questions under way, asked once for all
  absl::Mutex orphans_mu_;
  std::vector<FileId> forgotten_orphans_ ABSL_GUARDED_BY(orphans_mu_);
  FileSystemCounters counters_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_FILE_SYSTEM_H_
