// The nodes that the kernel knows: for each its FileId, attributes, place
// (parent and name), and how fresh all that is.
//
// Concept. A node is bound to a FileId, not to a path. The kernel holds it by
// lookup counts; it goes when they are 0 and no child refers to it. A node's
// place may be wrong (the host renamed it) or gone (`placeless`: unlinked, or
// found missing); the FileId in each request tells the host.
//
// Freshness without leases. A directory's listing was confirmed by the host at
// `listing_at`; it last differed at `relisted_at`. A node's attributes are as
// fresh as the last reply that carried them (`attr_at`), or as its directory's
// last confirmation if they have been in that listing since it last differed.
//
// Under a lease (fuse/leases.h) a directory's listing, and the attributes of
// what is in it, are fresh for ever: kForever stands for the instant. What
// casts doubt on a listing ends that until it is listed again (ExpireListing),
// or the lease itself ends (VoidLeases, Revoke).
//
// Races with events of the host's journal. An event that is applied stamps its
// nodes as a change of our own does, so an answer to a question that was asked
// before is not applied over it. `told_by_event` tells which of the two a
// node's attributes are from; events among themselves are in order
// (fuse/decide.h).
//
// Races with our own changes. A reply to a question that was asked before one
// of our own changes ended may be older than that change. So: a stamp is taken
// before a question is sent; a change gives its nodes a new stamp when its
// reply arrives; an answer whose stamp is older than the node's is not applied.
// In detail, for a question Q and our change C on one node:
//   - Q answered before C's reply: C's reply overwrites. Right.
//   - Q sent before C's reply, answered after: Q's stamp < node's stamp:
//   dropped,
//     whether the host saw C before Q or not. Right, or asked again.
//   - Q sent after C's reply: the host saw C first. Applied.
// Two changes of one node at once (direct writes): their replies may come in
// another order than the host made them. A change whose node got a new stamp
// since it began marks the attributes as uncertain, and the next look asks the
// host.
// A node that was changed and then forgotten has no stamp left, so its stamp is
// kept for all: no listing that was asked for before is applied.
//
// Thread-safe; one internal lock, held over no call out. Costs about 200 bytes
// a node and its name.

#ifndef WARMFS_FUSE_TREE_H_
#define WARMFS_FUSE_TREE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "fuse/node_view.h"
#include "schema/ops.h"
#include "schema/types.h"

namespace warmfs::fuse {

class Tree {
 public:
  // kernel_asks: the kernel looks at attributes again after a while, and drops
  // by itself what they tell to be old. Otherwise it keeps what it has until it
  // is told.
  // stale: a file is given attributes by which the kernel's pages of it are not
  // right any more. Called under the tree's lock, so that nobody sees the one
  // without the other.
  explicit Tree(
      const Attr& root, bool kernel_asks = true,
      std::function<void(NodeId)> stale = [](NodeId) {});
  ~Tree();

  Stamp Now() const;

  std::optional<NodeView> Look(NodeId node) const;
  std::optional<Glance> GlanceAt(const FileId& id) const;
  NodeId Find(const FileId& id) const;  // 0 if unknown

  // The kernel is told of the object at (parent, name): finds its node, or
  // makes it with these attributes, true at `at`, and counts one lookup.
  struct Bound {
    NodeId node = 0;
    Attr attr;
    Instant fresh_at = 0;
  };
  Bound Bind(NodeId parent, std::string_view name, const Attr& attr,
             Instant at);
  // The same for an object that is not at a place by that: the kernel is told
  // of it in a call of the injector. Its place stays what it is; made anew, it
  // has none, and its attributes are not fresh.
  Bound BindElsewhere(const Attr& attr);
  // The kernel drops `count` lookups. The answer is the node's FileId if it was
  // an orphan on the host and is now gone.
  std::optional<FileId> Forget(NodeId node, uint64_t count);

  // --- answers to questions ---
  // New attributes of an object, if it is known and the answer is not late.
  // Whether the kernel's pages are still right is for the caller to act on.
  PageEffect Apply(const Attr& attr, Stamp asked, Instant at);
  // The same after a change of our own, of which the kernel knows.
  void ApplyOwn(const Attr& attr, Stamp asked, Instant at);
  // The host confirmed the listing of `dir` as it was.
  PageEffect ConfirmListing(NodeId dir, const Attr& attr, Stamp asked,
                            Instant at, bool leased = false);
  // The listing of `dir` is new; these are (some of) its entries. Nodes known
  // among them are updated and put in their place; those whose pages must go
  // are appended to `invalidate`. Where a change of our own is newer than the
  // answer, the entry is given the attributes that we know.
  void ApplyListing(NodeId dir, absl::Span<DirEntry> entries, Stamp asked,
                    Instant at, std::vector<NodeId>& invalidate);
  // All entries of the new listing were applied. kInvalidate: the kernel may
  // hold the old listing, and the directory's mtime does not tell it that it is
  // old.
  PageEffect FinishListing(NodeId dir, const Attr& attr, uint32_t entries,
                           Stamp asked, Instant at, bool leased = false);
  // A listing of `dir` asked for at that stamp may be older than a change of
  // ours.
  // Something has changed since then of which no node tells any more.
  bool ForgotChangeSince(Stamp asked) const;
  bool IsLate(NodeId dir, Stamp asked) const;
  // The next look must ask the host.
  void ExpireListing(NodeId dir);
  void ExpireAttr(NodeId node);
  // Nothing of this id is there any more, as far as is known.
  void MarkGone(NodeId node);
  // It is not at its place any more. Whether it is gone, or is elsewhere, is to
  // be found out when somebody asks.
  void Displace(NodeId node);
  void NoteRacyRead(NodeId node, Instant at);
  // False: it was told other things since then.
  bool NoteTold(NodeId node, uint64_t bytes, uint64_t version,
                const Told& since);
  void NoteTold(NodeId node, uint64_t bytes, uint64_t version);
  // Bounds of what it may take in, and has.
  void NoteMayBeShorter(NodeId node, uint64_t bytes);
  void NoteMayBeLonger(NodeId node, uint64_t bytes);
  void NoteLonger(NodeId node, uint64_t bytes);
  void NoteDropped(NodeId node, Instant at, bool pages);
  Told told(NodeId node) const;
  // The kernel is given content of this version, perhaps all of it.
  void NoteRead(NodeId node, const Version& version, bool whole);
  // False if it has another version by now, or a change of our own has begun.
  bool NoteKernelHas(NodeId node, const Version& version);

  // --- our own changes ---
  // Between Begin and End a change of the node is under way.
  Stamp BeginChange(NodeId node);
  // `change` null: the change failed, nothing is known. The answer tells
  // whether the node was before what we took it for; if not, somebody else
  // changed it too, and what was cached of it is not to be trusted.
  bool EndChange(NodeId node, Stamp begun, const Change* change, Instant at);
  // The host refused, so nothing has changed.
  void CancelChange(NodeId node);
  void Move(const FileId& id, NodeId parent, std::string_view name);
  // A name of the object was removed by us, by a change of `parent`. `kept`:
  // the host keeps an orphan.
  void Unlink(NodeId parent, std::string_view name, Stamp begun,
              const Attr& after, bool kept, Instant at);

  // --- leases and events ---
  // The listing that the cache has of `dir` is under a lease, unless it is in
  // doubt; false then.
  bool ResumeLease(NodeId dir);
  // Directories that were leased until now, all of them.
  std::vector<NodeId> VoidLeases();
  void Revoke(const FileId& dir);
  // An event tells the attributes of an object, and whether the kernel's pages
  // of it are stale; the answer is its node, 0 if it is not known.
  NodeId ApplyEvent(const Attr& attr, Instant at, bool stale);
  // An event is about the node: what was asked about it before is late.
  void Touch(NodeId node);
  // The same, of the names in a directory.
  void NamesByEvent(NodeId dir);
  // Has a change or an event been applied to the node since that stamp?
  bool ChangedSince(NodeId node, Stamp asked) const;
  // Waits until no change of our own is under way on the node, at most so long;
  // its reply tells whether an event is its echo. False if one still is.
  bool AwaitChanges(NodeId node, absl::Duration limit) const;

  uint64_t leases() const;
  uint64_t size() const;
  uint64_t memory_bytes() const;
  void ForEach(const std::function<void(const NodeView&)>& visit) const;

 private:
  struct Node;
  struct Index;

  Node* Get(NodeId node) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  Node* GetById(const FileId& id) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  Node& Make(const Attr& attr) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The node may be gone afterwards, if only what was beneath it had held it.
  void Place(Node& node, NodeId parent, std::string_view name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unplace(Node& node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static bool IsGone(const Node& node);
  static bool NoteKernelHas(Node& node, const Version& version);
  void FreeIfUnused(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  PageEffect Update(Node& node, const Attr& attr, Stamp asked, Instant at)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Lease(Node& dir, bool leased) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Doubt(Node& dir) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string PathOf(const Node& node) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  NodeView ViewOf(const Node& node) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  Instant FreshAt(const Node& node) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  // Update, and `stale` of files.
  PageEffect UpdateAndTell(Node& node, const Attr& attr, Stamp asked,
                           Instant at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const bool kernel_asks_;
  const std::function<void(NodeId)> stale_;
  mutable absl::Mutex mu_;
  Stamp stamp_ ABSL_GUARDED_BY(mu_) = 1;
  Stamp forgotten_change_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t leases_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<Index> index_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_TREE_H_
