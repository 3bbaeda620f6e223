// How what is known is kept fresh without leases: a check of the directory once
// its time has passed, one RPC for all that is in it.

#include <algorithm>
#include <cerrno>

#include "fuse/errors.h"
#include "fuse/file_system.h"

namespace warmfs::fuse {
namespace {

// Answers that mean: what we took to be there is not there any more.
bool IsStale(int error) {
  return error == ESTALE || error == ENOENT || error == ENOTDIR;
}

}  // namespace

absl::StatusOr<NodeView> FileSystem::Known(NodeId node) const {
  std::optional<NodeView> view = tree_.Look(node);
  if (!view) return ErrnoError(ESTALE);
  return *std::move(view);
}

bool FileSystem::Fresh(Instant at) const {
  return at != 0 && Remaining(at) > absl::ZeroDuration();
}

absl::Duration FileSystem::Remaining(Instant at) const {
  const absl::Duration age = absl::Nanoseconds(clock_.Now() - at);
  return std::max(absl::ZeroDuration(), options_.ttl - age);
}

void FileSystem::InvalidatePages(NodeId node, PageEffect effect) {
  if (effect == PageEffect::kInvalidate) invalidations_.pages(node);
}

absl::Status FileSystem::CheckListing(rpc::Channel& host, NodeId dir) {
  absl::StatusOr<NodeView> view = Known(dir);
  if (!view.ok()) return view.status();
  if (Fresh(view->listing_at)) return absl::OkStatus();
  if (view->placeless) return ErrnoError(ENOENT);
  return listings_.Run(view->attr.id, [&] {
    // Another thread's answer may have come since we looked.
    absl::StatusOr<NodeView> now = Known(dir);
    if (now.ok() && Fresh(now->listing_at)) return absl::OkStatus();
    return FetchListing(host, dir);
  });
}

absl::Status FileSystem::FetchListing(rpc::Channel& host, NodeId dir) {
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    absl::StatusOr<NodeView> view = Known(dir);
    if (!view.ok()) return view.status();
    const Stamp asked = tree_.Now();
    const Instant at = clock_.Now();
    ListRequest request{.dir = view->ref, .known = {}};
    auto record = cache_.GetNode(view->attr.id);
    if (record && record->listing_complete) request.known = record->digest;
    ListReply reply = host.List(request);
    if (IsStale(reply.error)) {
      absl::Status found = Relocate(host, *view);
      if (!found.ok()) return found;
      continue;
    }
    if (reply.error != 0) return ErrnoError(reply.error);
    absl::Status stored = StoreListing(host, *view, reply, asked, at);
    if (!absl::IsAborted(stored)) return stored;
  }
  return absl::AbortedError("the directory changes faster than it is listed");
}

absl::Status FileSystem::Relocate(rpc::Channel& host, const NodeView& node) {
  if (node.parent == 0) return ErrnoError(ESTALE);
  // Renamed on the host, it or a directory above it: the listing of the parent
  // (which may have to be found in the same way) puts it in its place. Asked
  // for by ourselves: to wait here for another thread's listing could be to wait
  // in a circle, if directories were turned inside out.
  absl::Status listed = FetchListing(host, node.parent);
  absl::StatusOr<NodeView> now = Known(node.node);
  if (now.ok() && !now->placeless && now->ref.path != node.ref.path) {
    return absl::OkStatus();
  }
  if (ToErrno(listed) == EIO) return listed;
  tree_.MarkGone(node.node);
  return ErrnoError(ESTALE);
}

absl::Status FileSystem::StoreListing(rpc::Channel& host, const NodeView& dir,
                                      ListReply& page, Stamp asked,
                                      Instant at) {
  if (page.unchanged) {
    listings_confirmed_.fetch_add(1, std::memory_order_relaxed);
    tree_.ConfirmListing(dir.node, page.dir, asked, at);
    return absl::OkStatus();
  }
  listings_fetched_.fetch_add(1, std::memory_order_relaxed);
  std::vector<NodeId> invalidate;
  const bool one_page = page.cursor == 0;
  uint64_t entries = page.entries.size();
  {
    absl::MutexLock lock(&apply_mu_);
    if (tree_.IsLate(dir.node, asked)) return absl::AbortedError("late");
    tree_.ApplyListing(dir.node, absl::MakeSpan(page.entries), asked, at,
                       invalidate);
    if (!one_page) cache_.BeginListing(page.dir);
    cache_.PutListing(page.dir, page.entries, page.digest, one_page);
    if (one_page) {
      InvalidatePages(dir.node, tree_.FinishListing(dir.node, page.dir, entries,
                                                    asked, at));
    }
  }
  for (NodeId node : invalidate) invalidations_.pages(node);
  return one_page ? absl::OkStatus()
                  : StorePages(host, dir, page.cursor, entries, asked, at);
}

absl::Status FileSystem::StorePages(rpc::Channel& host, const NodeView& dir,
                                    uint64_t cursor, uint64_t entries,
                                    Stamp asked, Instant at) {
  std::vector<NodeId> invalidate;
  while (true) {
    ListReply page = host.ListMore(cursor);
    // The cursor went with its connection: from the start.
    if (page.error == ESTALE) return absl::AbortedError("cursor lost");
    if (page.error != 0) return ErrnoError(page.error);
    entries += page.entries.size();
    cursor = page.cursor;
    absl::MutexLock lock(&apply_mu_);
    if (tree_.IsLate(dir.node, asked)) return absl::AbortedError("late");
    tree_.ApplyListing(dir.node, absl::MakeSpan(page.entries), asked, at,
                       invalidate);
    // At once, not at the end, which a lost connection may keep from coming.
    for (NodeId node : invalidate) invalidations_.pages(node);
    invalidate.clear();
    cache_.PutListing(page.dir, page.entries, {}, false);
    if (cursor != 0) continue;
    cache_.SealListing(page.dir, page.digest);
    InvalidatePages(dir.node, tree_.FinishListing(dir.node, page.dir, entries,
                                                  asked, at));
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
                                               const NodeView& node) {
  NodeRef ref = node.ref;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Stamp asked = tree_.Now();
    const Instant at = clock_.Now();
    AttrReply reply = host.GetAttr(ref);
    if (reply.error == 0) {
      PageEffect effect;
      {
        absl::MutexLock lock(&apply_mu_);
        effect = tree_.Apply(reply.attr, asked, at);
        if (auto now = tree_.Look(node.node)) {
          cache::Edit edit;
          edit.PutAttr(now->attr);
          cache_.Commit(std::move(edit));
        }
      }
      InvalidatePages(node.node, effect);
      return Known(node.node);
    }
    if (!IsStale(reply.error)) return ErrnoError(reply.error);
    if (!Relocate(host, node).ok()) break;
    absl::StatusOr<NodeView> now = Known(node.node);
    if (!now.ok()) return now;
    ref = now->ref;
  }
  // It is gone from the host, but the kernel still refers to it, as to any
  // deleted file that is open: what we knew of it last is its state.
  return Known(node.node);
}

}  // namespace warmfs::fuse
