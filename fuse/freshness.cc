// How what is known is kept fresh: by a lease of the directory, or without one
// by a check once its time has passed; one RPC for all that is in it.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fuse/errors.h"
#include "fuse/file_system.h"

namespace warmfs::fuse {
namespace {

// Answers that mean: what we took to be there is not there any more.
bool IsStale(int error) {
  return error == ESTALE || error == ENOENT || error == ENOTDIR;
}

// A file of several links is taken to be where it was looked up last. If that
// name has gone, it is where another of its names is known to be; the kernel
// may hold it by that one for as long as its lease lasts, and will not look it
// up again.
bool PlaceByOtherName(Tree& tree, cache::Cache& cache, const NodeView& file) {
  if (file.attr.IsDirectory()) return false;
  bool placed = false;
  tree.ForEach([&](const NodeView& dir) {
    if (placed || !dir.attr.IsDirectory()) return;
    std::string name;
    cache.VisitEntries(dir.attr.id, [&](const cache::EntryView& entry) {
      const bool other = entry.id == file.attr.id &&
                         (dir.node != file.parent || entry.name != file.name);
      if (other) name = entry.name;
      return !other;
    });
    if (name.empty()) return;
    tree.Move(file.attr.id, dir.node, name);
    placed = true;
  });
  return placed;
}

}  // namespace

absl::StatusOr<NodeView> FileSystem::Known(NodeId node) const {
  std::optional<NodeView> view = tree_.Look(node);
  if (!view) return ErrnoError(ESTALE);
  return *std::move(view);
}

bool FileSystem::Fresh(Instant at) const {
  if (at == kForever) return journal() != 0;
  return at != 0 && Remaining(at) > absl::ZeroDuration();
}

absl::Duration FileSystem::Remaining(Instant at) const {
  constexpr absl::Duration kEndless = absl::Hours(24 * 365);
  if (at == kForever) {
    return journal() == 0 ? absl::ZeroDuration() : kEndless;
  }
  const absl::Duration age = absl::Nanoseconds(clock_.Now() - at);
  return std::max(absl::ZeroDuration(), options_.ttl - age);
}

void FileSystem::InvalidatePages(NodeId node, PageEffect effect) {
  if (effect == PageEffect::kInvalidate) DropPages(node);
}

void FileSystem::DropPages(NodeId node) {
  drops_.Want(node);
  invalidations_.pages(node);
}

absl::Status FileSystem::CheckListing(rpc::Channel& host, NodeId dir) {
  while (true) {
    absl::StatusOr<NodeView> view = Known(dir);
    if (!view.ok()) return view.status();
    if (Fresh(view->listing_at) || ResumeLease(*view)) return absl::OkStatus();
    if (view->placeless) return ErrnoError(ENOENT);
    absl::Status status = listings_.Run(view->attr.id, [&] {
      // Another thread's answer may have come since we looked.
      absl::StatusOr<NodeView> now = Known(dir);
      if (now.ok() && (Fresh(now->listing_at) || ResumeLease(*now))) {
        return absl::OkStatus();
      }
      return FetchListing(host, dir);
    });
    // It was being listed ahead.
    if (!absl::IsCancelled(status)) return status;
  }
}

// The journal was followed all the while since the cache's listing was leased,
// by this client or by one before it.
bool FileSystem::ResumeLease(const NodeView& dir) {
  if (journal() == 0 || dir.doubted || dir.leased) return false;
  const auto record = cache_.GetNode(dir.attr.id);
  if (!record || !record->listing_complete) return false;
  {
    absl::MutexLock lock(&apply_mu_);
    if (record->lease != journal() || !tree_.ResumeLease(dir.node)) {
      return false;
    }
  }
  scout_.Wanted(dir.attr.id, clock_.Now());
  return true;
}

std::vector<NodeId> FileSystem::FollowJournal(uint64_t journal, bool moved_on) {
  absl::MutexLock lock(&apply_mu_);
  if (journal_.exchange(journal) != journal || moved_on) {
    ++journal_turns_;
    taken_in_ = 0;
  }
  if (journal == 0) return {};
  const bool same = std::exchange(last_journal_, journal) == journal;
  if (same && !moved_on) return {};
  // Its id does not tell the leases from before from those to come.
  if (moved_on) cache_.EndLeases();
  return tree_.VoidLeases();
}

absl::Status FileSystem::FetchListing(rpc::Channel& host, NodeId dir) {
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    absl::StatusOr<NodeView> view = Known(dir);
    if (!view.ok()) return view.status();
    Listing listing{.dir = *view, .asked = tree_.Now(), .at = clock_.Now()};
    ListRequest request{.dir = view->ref, .known = {}, .lease = journal() != 0};
    auto record = cache_.GetNode(view->attr.id);
    if (record && record->listing_complete) request.known = record->digest;
    ListReply reply = List(host, request);
    if (IsStale(reply.error)) {
      absl::Status found = Relocate(host, *view);
      if (!found.ok()) return found;
      continue;
    }
    if (reply.error != 0) return ErrnoError(reply.error);
    absl::Status stored = StoreListing(host, listing, reply);
    if (!absl::IsAborted(stored)) return stored;
  }
  return absl::AbortedError("the directory changes faster than it is listed");
}

absl::Status FileSystem::Relocate(rpc::Channel& host, const NodeView& node) {
  if (node.parent == 0) return RelocatePlaceless(node);
  // Renamed on the host, it or a directory above it: the listing of the parent
  // (which may have to be found in the same way) puts it in its place. Asked
  // for by ourselves: to wait here for another thread's listing could be to
  // wait in a circle, if directories were turned inside out.
  absl::Status listed = FetchListing(host, node.parent);
  absl::StatusOr<NodeView> now = Known(node.node);
  if (now.ok() && !now->placeless && now->ref.path != node.ref.path) {
    return absl::OkStatus();
  }
  if (ToErrno(listed) == EIO) return listed;
  return RelocatePlaceless(node);
}

absl::Status FileSystem::RelocatePlaceless(const NodeView& node) {
  const bool gone = node.placeless && node.attr.nlink == 0;
  if (gone || node.orphan) return ErrnoError(ESTALE);
  if (PlaceByOtherName(tree_, cache_, node)) return absl::OkStatus();
  tree_.MarkGone(node.node);
  return ErrnoError(ESTALE);
}

absl::Status FileSystem::StoreListing(rpc::Channel& host, Listing& listing,
                                      ListReply& page) {
  const NodeId dir = listing.dir.node;
  {
    absl::MutexLock lock(&apply_mu_);
    const uint64_t journal = journal_.load(std::memory_order_relaxed);
    if (page.leased && page.pos.journal_id == journal) listing.lease = journal;
    if (page.unchanged) {
      counters_.listings_confirmed.fetch_add(1, std::memory_order_relaxed);
      InvalidatePages(
          dir, tree_.ConfirmListing(dir, page.dir, listing.asked, listing.at,
                                    listing.lease != 0));
      cache::Edit edit;
      edit.SetLease(page.dir.id, listing.lease);
      cache_.Commit(std::move(edit));
      return absl::OkStatus();
    }
    if (tree_.IsLate(dir, listing.asked)) return absl::AbortedError("late");
    counters_.listings_fetched.fetch_add(1, std::memory_order_relaxed);
    if (listing.dir.kernel_keeps_names) {
      listing.diff.emplace(cache_, page.dir.id);
    }
    const bool one_page = page.cursor == 0;
    if (!one_page) cache_.BeginListing(page.dir);
    TakePage(listing, page);
    cache_.PutListing(page.dir, page.entries, page.digest, one_page,
                      listing.lease);
    if (one_page) {
      FinishListing(listing, page.dir);
      return absl::OkStatus();
    }
  }
  return StorePages(host, listing, page.cursor);
}

void FileSystem::TakePage(Listing& listing, ListReply& page) {
  std::vector<NodeId> invalidate;
  // Before the tree changes them: what the cache has is compared to the host's.
  if (listing.diff) listing.diff->Add(page.entries);
  tree_.ApplyListing(listing.dir.node, absl::MakeSpan(page.entries),
                     listing.asked, listing.at, invalidate);
  listing.entries += page.entries.size();
  // At once, not at the end, which a lost connection may keep from coming.
  for (NodeId node : invalidate) DropPages(node);
}

void FileSystem::FinishListing(Listing& listing, const Attr& dir) {
  const NodeId node = listing.dir.node;
  if (listing.diff) {
    listing.diff->Finish();
    for (const std::string& name : listing.diff->names()) {
      invalidations_.entry(node, name);
    }
  }
  InvalidatePages(node,
                  tree_.FinishListing(node, dir, listing.entries, listing.asked,
                                      listing.at, listing.lease != 0));
  // What happened while nobody told; otherwise the journal will tell.
  if (listing.diff && listing.dir.missed_events) {
    invalidations_.raise(listing.diff->Injections(node));
  }
}

absl::Status FileSystem::StorePages(rpc::Channel& host, Listing& listing,
                                    uint64_t cursor) {
  while (true) {
    ListReply page = host.ListMore(cursor);
    // The cursor went with its connection: from the start.
    if (page.error == ESTALE) return absl::AbortedError("cursor lost");
    if (page.error != 0) return ErrnoError(page.error);
    cursor = page.cursor;
    absl::MutexLock lock(&apply_mu_);
    if (tree_.IsLate(listing.dir.node, listing.asked)) {
      return absl::AbortedError("late");
    }
    TakePage(listing, page);
    cache_.PutListing(page.dir, page.entries, {}, false);
    if (cursor != 0) continue;
    cache_.SealListing(page.dir, page.digest, listing.lease);
    FinishListing(listing, page.dir);
    return absl::OkStatus();
  }
}

absl::StatusOr<NodeView> FileSystem::FreshAttr(rpc::Channel& host,
                                               NodeId node) {
  absl::StatusOr<NodeView> view = Known(node);
  if (!view.ok() || Fresh(view->attr_fresh_at)) return view;
  // The root has no directory to be listed in, but its own listing tells.
  const NodeId dir = node == kRootNode ? node : view->parent;
  absl::StatusOr<NodeView> above = Known(dir);
  if (above.ok() && above->listing_entries <= kBigDirectory) {
    absl::Status listed = CheckListing(host, dir);
    if (ToErrno(listed) == EIO && !absl::IsAborted(listed)) return listed;
    view = Known(node);
    if (!view.ok() || Fresh(view->attr_fresh_at)) return view;
  }
  return FetchAttr(host, *view);
}

absl::StatusOr<NodeView> FileSystem::FetchAttr(rpc::Channel& host,
                                               NodeView node) {
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // Without a path there is nothing to ask for.
    if (!node.placeless || node.orphan) {
      const Stamp asked = tree_.Now();
      const Instant at = clock_.Now();
      AttrReply reply = host.GetAttr(node.ref);
      if (reply.error == 0) return TakeAttr(node.node, reply.attr, asked, at);
      if (!IsStale(reply.error)) return ErrnoError(reply.error);
    }
    if (!Relocate(host, node).ok()) break;
    absl::StatusOr<NodeView> now = Known(node.node);
    if (!now.ok()) return now;
    node = *std::move(now);
  }
  // It is gone from the host, but the kernel still refers to it, as to any
  // deleted file that is open: what we knew of it last is its state.
  return Known(node.node);
}

absl::StatusOr<NodeView> FileSystem::TakeAttr(NodeId node, const Attr& attr,
                                              Stamp asked, Instant at) {
  PageEffect effect;
  {
    absl::MutexLock lock(&apply_mu_);
    effect = tree_.Apply(attr, asked, at);
    if (auto now = tree_.Look(node)) {
      cache::Edit edit;
      edit.PutAttr(now->attr);
      cache_.Commit(std::move(edit));
    }
  }
  InvalidatePages(node, effect);
  return Known(node);
}

}  // namespace warmfs::fuse
