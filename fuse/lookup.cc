// Names and attributes: lookup, getattr, readdir, readlink, and the extended
// attributes.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "fuse/errors.h"
#include "fuse/file_system.h"

namespace warmfs::fuse {
namespace {

bool InDoubt(const Tree& tree, const absl::StatusOr<Entry>& entry) {
  if (!entry.ok() || entry->node == 0) return false;
  const auto view = tree.Look(entry->node);
  return view && view->attr_fresh_at == 0;
}

}  // namespace

FileSystem::FileSystem(FileSystemOptions options, cache::Cache& cache,
                       const Clock& clock, const Attr& root,
                       Invalidations invalidations)
    : options_(options),
      cache_(cache),
      clock_(clock),
      invalidations_(std::move(invalidations)),
      tree_(root, /*kernel_asks=*/!options.leases,
            [this](NodeId node) { drops_.Want(node); }),
      block_writer_(cache) {}

FileSystem::~FileSystem() = default;

// The kernel makes a file longer before it drops the pages of what it was, and
// the last of these is filled with zeros. So it hears of a file's growth only
// after it has dropped them.
//
// Nor does it hear of a file that has become shorter, before nothing has
// happened to it for a while (early_end.h).
Entry FileSystem::MakeEntry(NodeId node, const Attr& attr, Instant fresh_at) {
  Entry entry{node, options_.ToVm(attr), Remaining(fresh_at)};
  if (!attr.IsRegular()) return entry;
  const auto must_withhold = [&](const Told& before) {
    if (before.at_most < attr.size) return drops_.Pending(node);
    // Without leases the kernel drops by itself what is old.
    if (before.at_most == attr.size || before.at_most == Told::kNothing ||
        !options_.leases) {
      return false;
    }
    constexpr absl::Duration kQuiet = absl::Seconds(1);
    const Instant last = before.pages_dropped_at;
    const bool recent =
        last != 0 && absl::Nanoseconds(clock_.Now() - last) < kQuiet;
    return recent || !drops_.Idle(node);
  };
  const absl::Duration fresh = entry.valid_for;
  while (true) {
    const Told before = tree_.told(node);
    const bool withheld = must_withhold(before);
    entry.attr.size = withheld ? before.at_most : attr.size;
    entry.valid_for = withheld ? absl::ZeroDuration() : fresh;
    const uint64_t version = withheld ? 0 : MarkOf(attr.version());
    const bool told =
        entry.attr.size == before.at_most && version == before.version;
    // It may have been made longer just now.
    if (told || tree_.NoteTold(node, entry.attr.size, version, before)) {
      return entry;
    }
  }
}

Entry FileSystem::MakeTrueEntry(NodeId node, const Attr& attr,
                                Instant fresh_at) {
  Entry entry = MakeEntry(node, attr, fresh_at);
  if (entry.attr.size <= attr.size) return entry;
  entry.for_caller_only = true;
  entry.attr.size = attr.size;
  tree_.NoteMayBeShorter(node, attr.size);
  return entry;
}

void FileSystem::NoteDropped(NodeId node, bool pages) {
  tree_.NoteDropped(node, clock_.Now(), pages);
}

Entry FileSystem::MakeEntry(const Tree::Bound& bound, Instant listed_at) {
  // A listing does not make uncertain attributes certain.
  return MakeEntry(
      bound.node, bound.attr,
      bound.fresh_at == 0 ? 0 : std::max(bound.fresh_at, listed_at));
}

// --- lookup ---

absl::StatusOr<Entry> FileSystem::Lookup(rpc::Channel& host, NodeId dir,
                                         std::string_view name) {
  if (name.size() > kMaxNameBytes) return ErrnoError(ENAMETOOLONG);
  absl::StatusOr<NodeView> view = Known(dir);
  if (!view.ok()) return view.status();
  const bool list =
      Fresh(view->listing_at) || view->listing_entries <= kBigDirectory;
  if (!list) return LookupOnHost(host, *view, name);
  absl::Status listed = CheckListing(host, dir);
  if (!listed.ok() && !absl::IsAborted(listed)) return listed;
  view = Known(dir);
  if (!view.ok()) return view.status();
  bool unknown = !listed.ok();
  if (!unknown) {
    absl::StatusOr<Entry> entry = LookupInCache(*view, name, unknown);
    if (!unknown && !InDoubt(tree_, entry)) return entry;
    // The name may stand for something else by now, so it is the name that is
    // asked about.
    if (!unknown) Forget(entry->node, 1);
  }
  return LookupOnHost(host, *view, name);
}

absl::StatusOr<Entry> FileSystem::LookupInCache(const NodeView& dir,
                                                std::string_view name,
                                                bool& unknown) {
  const cache::LookupResult found = cache_.Lookup(dir.attr.id, name);
  if (found.presence == cache::Presence::kAbsent) {
    return MakeEntry(0, Attr(), dir.listing_at);
  }
  auto record = found.presence == cache::Presence::kPresent
                    ? cache_.GetNode(found.id)
                    : std::nullopt;
  if (!record) {
    // Not for good: a listing that the cache lost is fetched again.
    tree_.ExpireListing(dir.node);
    unknown = true;
    return Entry();
  }
  const Tree::Bound bound = tree_.Bind(dir.node, name, record->attr,
                                       std::min(dir.listing_at, clock_.Now()));
  return MakeEntry(bound, dir.listing_at);
}

absl::StatusOr<Entry> FileSystem::LookupOnHost(rpc::Channel& host,
                                               const NodeView& dir,
                                               std::string_view name) {
  const Stamp asked = tree_.Now();
  const Instant at = clock_.Now();
  const LookupReply reply = host.Lookup({.dir = dir.ref, .name = name});
  cache::Edit edit;
  absl::MutexLock lock(&apply_mu_);
  const bool late = tree_.IsLate(dir.node, asked);
  if (reply.error == ENOENT) {
    edit.RemoveEntry(dir.attr.id, name);
    if (!late) cache_.Commit(std::move(edit));
    return MakeEntry(0, Attr(), at);
  }
  if (reply.error != 0) return ErrnoError(reply.error);
  InvalidatePages(tree_.Find(reply.entry.id),
                  tree_.Apply(reply.entry, asked, at));
  const Tree::Bound bound = tree_.Bind(dir.node, name, reply.entry, at);
  edit.PutEntry(dir.attr.id, name, reply.entry.id);
  edit.PutAttr(bound.attr);
  if (reply.entry.IsSymlink()) edit.PutTarget(reply.entry, reply.target);
  if (!late) cache_.Commit(std::move(edit));
  return MakeEntry(bound.node, bound.attr, bound.fresh_at);
}

void FileSystem::Forget(NodeId node, uint64_t count) {
  std::optional<FileId> orphan = tree_.Forget(node, count);
  // Freed, or nobody has read of what its number was given to since.
  if (tree_.told(node).at_most == Told::kNothing) drops_.Forget(node);
  if (!orphan) return;
  cache::Edit edit;
  edit.Forget(*orphan);
  cache_.Commit(std::move(edit));
  absl::MutexLock lock(&orphans_mu_);
  forgotten_orphans_.push_back(*orphan);
}

size_t FileSystem::forgotten_orphans() {
  absl::MutexLock lock(&orphans_mu_);
  return forgotten_orphans_.size();
}

void FileSystem::ReleaseOrphans(rpc::Channel& host) {
  ReleaseRequest request;
  {
    absl::MutexLock lock(&orphans_mu_);
    request.orphans.swap(forgotten_orphans_);
  }
  // A release that is lost costs the host a descriptor until we are gone.
  if (!request.orphans.empty()) host.Release(request);
}

absl::StatusOr<Entry> FileSystem::GetAttr(rpc::Channel& host, NodeId node) {
  absl::StatusOr<NodeView> view = Known(node);
  const bool known = view.ok() && Fresh(view->attr_fresh_at);
  if (!known) view = FreshAttr(host, node);
  if (!view.ok()) return view.status();
  const Told told = tree_.told(node);
  if (view->attr.size > told.at_least) {
    {
      // By an event whose invalidation may not be queued yet.
      absl::MutexLock until_it_is(&apply_mu_);
    }
    // As it was before it grew, a file is shown to those only who may have read
    // it so, and have not asked the host themselves: one that is written beside
    // another, and then takes its name, must not be seen there as it was.
    const bool as_it_was = known && view->attr.size > told.at_most &&
                           drops_.MayHaveEnd(node, told.at_most);
    if (!as_it_was) drops_.AwaitDone(node);
  }
  return MakeTrueEntry(node, view->attr, view->attr_fresh_at);
}

// --- directories ---

absl::StatusOr<DirPage> FileSystem::ReadDir(rpc::Channel& host, NodeId dir,
                                            uint64_t after, size_t limit) {
  absl::Status listed = CheckListing(host, dir);
  if (!listed.ok() && !absl::IsAborted(listed)) return listed;
  absl::StatusOr<NodeView> view = Known(dir);
  if (!view.ok()) return view.status();
  DirPage page;
  page.fresh_at = view->listing_at;
  if (listed.ok() && ReadDirFromCache(*view, after, limit, page)) return page;
  // A cache that cannot keep the listing (a dropped edit, no space) must not
  // cost more than time.
  tree_.ExpireListing(dir);
  return ReadDirFromHost(host, *view, after, limit);
}

bool FileSystem::ReadDirFromCache(const NodeView& dir, uint64_t after,
                                  size_t limit, DirPage& page) {
  std::vector<FileId> ids;
  const bool complete =
      cache_.ReadDir(dir.attr.id, after, [&](const cache::EntryView& entry) {
        // One more than asked for if it shares its cookie with the last.
        if (ids.size() >= limit && entry.cookie != page.items.back().cookie) {
          return false;
        }
        page.items.push_back({std::string(entry.name), entry.cookie, {}});
        ids.push_back(entry.id);
        return true;
      });
  for (size_t i = 0; i < ids.size(); ++i) {
    if (auto record = cache_.GetNode(ids[i])) page.items[i].attr = record->attr;
  }
  return complete;
}

absl::StatusOr<DirPage> FileSystem::ReadDirFromHost(rpc::Channel& host,
                                                    const NodeView& dir,
                                                    uint64_t after,
                                                    size_t limit) {
  DirPage page;
  page.fresh_at = clock_.Now();
  ListReply reply = host.List({.dir = dir.ref, .known = {}});
  while (reply.error == 0) {
    for (DirEntry& entry : reply.entries) {
      const uint64_t cookie = cache::NameCookie(entry.name);
      if (cookie <= after) continue;
      page.items.push_back({std::move(entry.name), cookie, entry.attr});
    }
    if (reply.cursor == 0) break;
    reply = host.ListMore(reply.cursor);
  }
  if (reply.error != 0) return ErrnoError(reply.error);
  std::sort(page.items.begin(), page.items.end(),
            [](const DirItem& a, const DirItem& b) {
              return std::tie(a.cookie, a.name) < std::tie(b.cookie, b.name);
            });
  size_t keep = std::min(limit, page.items.size());
  while (keep > 0 && keep < page.items.size() &&
         page.items[keep].cookie == page.items[keep - 1].cookie) {
    ++keep;
  }
  page.items.resize(keep);
  return page;
}

Entry FileSystem::Bind(NodeId dir, const DirItem& item, Instant fresh_at) {
  if (item.attr.id.IsNull()) return Entry();
  const Tree::Bound bound =
      tree_.Bind(dir, item.name, item.attr, std::min(fresh_at, clock_.Now()));
  return MakeEntry(bound, fresh_at);
}

// --- symbolic links, extended attributes, the file system ---

absl::StatusOr<std::string> FileSystem::ReadLink(rpc::Channel& host,
                                                 NodeId node) {
  absl::StatusOr<NodeView> view = FreshAttr(host, node);
  if (!view.ok()) return view.status();
  auto block = cache_.GetBlock(view->attr.id, 0);
  // The target of a link never changes: another target is another object.
  if (block && block->bytes.size() > 0) return std::string(block->bytes);
  ReadLinkReply reply = host.ReadLink(view->ref);
  if (reply.error != 0) return ErrnoError(reply.error);
  cache::Edit edit;
  edit.PutTarget(view->attr, reply.target);
  cache_.Commit(std::move(edit));
  return std::move(reply.target);
}

absl::StatusOr<StatFsReply> FileSystem::StatFs(rpc::Channel& host,
                                               NodeId node) {
  absl::StatusOr<NodeView> view = Known(node);
  if (!view.ok()) return view.status();
  StatFsReply reply = host.StatFs(view->ref);
  if (reply.error != 0) return ErrnoError(reply.error);
  return reply;
}

absl::StatusOr<std::string> FileSystem::GetXattr(rpc::Channel& host,
                                                 NodeId node,
                                                 std::string_view name) {
  // Only users' own attributes are the host's; for the others (the kernel's
  // security.capability at each write) there is no round trip. That a file has
  // no ACL the kernel remembers, that there is no other kind `ls` does, if they
  // are told so in just these ways.
  if (!name.empty() && !name.starts_with("user.")) {
    const bool acl = name.starts_with("system.posix_acl_");
    return ErrnoError(acl ? ENODATA : EOPNOTSUPP);
  }
  absl::StatusOr<NodeView> view = Known(node);
  if (!view.ok()) return view.status();
  GetXattrReply reply = host.GetXattr({.node = view->ref, .name = name});
  if (reply.error != 0) return ErrnoError(reply.error);
  return std::move(reply.value);
}

}  // namespace warmfs::fuse
