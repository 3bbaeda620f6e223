// Changing: each operation is carried out by the host before it returns, and
// what its reply tells (attributes before and after) is taken into the tree and
// the cache under one lock (file_system.h).

#include <sys/stat.h>

#include <cerrno>

#include "fuse/errors.h"
#include "fuse/file_system.h"

namespace warmfs::fuse {
namespace {

// The host refused without having found anything else than we expected: what we
// know is as true as before.
bool NothingLearnt(int error) {
  switch (error) {
    case EEXIST:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ESTALE:
    case EIO:
      return false;
    default:
      return true;
  }
}

absl::Status CheckWritable(const FileSystemOptions& options) {
  return ErrnoError(options.read_only ? EROFS : 0);
}

}  // namespace

// --- what the operations share ---

absl::Status FileSystem::FinishNodeChange(const NodeView& node, Stamp begun,
                                          int error, const Change& change) {
  absl::MutexLock lock(&apply_mu_);
  if (error != 0) {
    if (NothingLearnt(error)) {
      tree_.CancelChange(node.node);
    } else {
      tree_.EndChange(node.node, begun, nullptr, clock_.Now());
    }
    return ErrnoError(error);
  }
  // If it was not what we took it for, its new version tells the cache, but the
  // kernel would take the new mtime in a reply and keep its old pages.
  const bool expected =
      tree_.EndChange(node.node, begun, &change, clock_.Now());
  if (!expected) DropPages(node.node);
  cache::Edit edit;
  edit.PutAttr(change.after);
  cache_.Commit(std::move(edit));
  return absl::OkStatus();
}

void FileSystem::FinishDirChange(NodeId dir, Stamp begun, const Change& change,
                                 cache::Edit& edit) {
  const bool expected = tree_.EndChange(dir, begun, &change, clock_.Now());
  edit.PutAttr(change.after);
  if (!expected) tree_.ExpireListing(dir);
}

absl::Status FileSystem::FailDirChange(NodeId dir, Stamp begun,
                                       std::string_view name, int error) {
  absl::MutexLock lock(&apply_mu_);
  if (NothingLearnt(error)) {
    tree_.CancelChange(dir);
    return ErrnoError(error);
  }
  tree_.EndChange(dir, begun, nullptr, clock_.Now());
  tree_.ExpireListing(dir);
  invalidations_.entry(dir, name);
  return ErrnoError(error);
}

bool FileSystem::KernelHolds(const NodeView& dir, std::string_view name) {
  const cache::LookupResult found = cache_.Lookup(dir.attr.id, name);
  return found.presence != cache::Presence::kPresent ||
         tree_.Find(found.id) != 0;
}

void FileSystem::Removed(const NodeView& dir, std::string_view name,
                         Stamp begun, const Attr& after, bool kept,
                         cache::Edit& edit) {
  if (after.id.IsNull()) return;
  const bool known = tree_.Find(after.id) != 0;
  tree_.Unlink(dir.node, name, begun, after, kept && known, clock_.Now());
  // An orphan's records go when the kernel forgets it.
  const bool gone = after.nlink == 0 || after.IsDirectory();
  if (gone && !(kept && known)) {
    edit.Forget(after.id);
  } else if (!gone) {
    edit.PutAttr(after);
  }
  if (kept && !known) {
    absl::MutexLock lock(&orphans_mu_);
    forgotten_orphans_.push_back(after.id);
  }
}

// --- names ---

absl::StatusOr<Entry> FileSystem::Create(rpc::Channel& host,
                                         const Caller& caller, NodeId dir,
                                         std::string_view name, uint32_t mode,
                                         std::string_view target,
                                         bool exclusive) {
  if (absl::Status s = CheckWritable(options_); !s.ok()) return s;
  absl::StatusOr<NodeView> view = Known(dir);
  if (!view.ok()) return view.status();
  CreateRequest request{.dir = view->ref, .name = name, .mode = mode};
  request.uid = options_.ToHostUid(caller.uid);
  // A setgid directory gives its own group; the host does that.
  if ((view->attr.mode & S_ISGID) == 0)
    request.gid = options_.ToHostGid(caller.gid);
  request.target = target;
  request.exclusive = exclusive;

  const Stamp begun = tree_.BeginChange(dir);
  const CreateReply reply = host.Create(request);
  if (reply.error != 0) return FailDirChange(dir, begun, name, reply.error);
  const Instant at = clock_.Now();
  absl::MutexLock lock(&apply_mu_);
  cache::Edit edit;
  // One that was there was somebody else's work: look again.
  if (reply.existed || tree_.ChangedSince(dir, begun)) {
    DoubtName(*view, name, edit);
  } else {
    edit.PutEntry(view->attr.id, name, reply.entry.id);
  }
  edit.PutAttr(reply.entry);
  if (!target.empty()) edit.PutTarget(reply.entry, target);
  FinishDirChange(dir, begun, reply.dir, edit);
  cache_.Commit(std::move(edit));
  const Tree::Bound bound = tree_.Bind(dir, name, reply.entry, at);
  return MakeEntry(bound.node, bound.attr, bound.fresh_at);
}

absl::Status FileSystem::Remove(rpc::Channel& host, NodeId dir,
                                std::string_view name, bool directory) {
  if (absl::Status s = CheckWritable(options_); !s.ok()) return s;
  absl::StatusOr<NodeView> view = Known(dir);
  if (!view.ok()) return view.status();
  const bool keep = !directory && KernelHolds(*view, name);
  const Stamp begun = tree_.BeginChange(dir);
  const RemoveReply reply = host.Remove({.dir = view->ref,
                                         .name = name,
                                         .directory = directory,
                                         .keep_orphan = keep});
  if (reply.error != 0) return FailDirChange(dir, begun, name, reply.error);
  absl::MutexLock lock(&apply_mu_);
  cache::Edit edit;
  if (tree_.ChangedSince(dir, begun)) {
    DoubtName(*view, name, edit);
  } else {
    edit.RemoveEntry(view->attr.id, name);
  }
  Removed(*view, name, begun, reply.removed, keep, edit);
  FinishDirChange(dir, begun, reply.dir, edit);
  cache_.Commit(std::move(edit));
  return absl::OkStatus();
}

absl::Status FileSystem::Rename(rpc::Channel& host, NodeId from_dir,
                                std::string_view from_name, NodeId to_dir,
                                std::string_view to_name, uint32_t flags) {
  if (absl::Status s = CheckWritable(options_); !s.ok()) return s;
  absl::StatusOr<NodeView> from = Known(from_dir);
  if (!from.ok()) return from.status();
  absl::StatusOr<NodeView> to = Known(to_dir);
  if (!to.ok()) return to.status();
  const bool two = from_dir != to_dir;
  RenameRequest request{.from_dir = from->ref,
                        .from_name = from_name,
                        .to_dir = to->ref,
                        .to_name = to_name,
                        .flags = flags};
  request.expected = cache_.Lookup(from->attr.id, from_name).id;
  request.keep_orphan = KernelHolds(*to, to_name);

  const Stamp begun = tree_.BeginChange(from_dir);
  const Stamp begun_to = two ? tree_.BeginChange(to_dir) : begun;
  const RenameReply reply = host.Rename(request);
  if (reply.error != 0) {
    if (two) (void)FailDirChange(to_dir, begun_to, to_name, reply.error);
    return FailDirChange(from_dir, begun, from_name, reply.error);
  }
  absl::MutexLock lock(&apply_mu_);
  cache::Edit edit;
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  if (!exchange) {
    Removed(*to, to_name, begun_to, reply.other, request.keep_orphan, edit);
  }
  if (reply.unsettled || tree_.ChangedSince(from_dir, begun) ||
      tree_.ChangedSince(to_dir, begun_to)) {
    DoubtName(*from, from_name, edit);
    DoubtName(*to, to_name, edit);
  } else {
    Place(*to, to_name, begun, reply.moved, edit);
    if (exchange) {
      Place(*from, from_name, begun, reply.other, edit);
    } else {
      edit.RemoveEntry(from->attr.id, from_name);
    }
    // The kernel moves what it has at a name, be that outdated: out of the
    // reach of an invalidation that waits for this call to end.
    if (reply.moved.id != request.expected ||
        invalidations_.unsure(from_dir, from_name)) {
      invalidations_.entry(to_dir, to_name);
    }
    if (exchange && invalidations_.unsure(to_dir, to_name)) {
      invalidations_.entry(from_dir, from_name);
    }
  }
  FinishDirChange(from_dir, begun, reply.from_dir, edit);
  if (two) FinishDirChange(to_dir, begun_to, reply.to_dir, edit);
  cache_.Commit(std::move(edit));
  return absl::OkStatus();
}

void FileSystem::Place(const NodeView& dir, std::string_view name, Stamp begun,
                       const Attr& attr, cache::Edit& edit) {
  edit.PutEntry(dir.attr.id, name, attr.id);
  tree_.Move(attr.id, dir.node, name);
  const NodeId node = tree_.Find(attr.id);
  if (tree_.ChangedSince(node, begun)) return tree_.ExpireAttr(node);
  tree_.ApplyOwn(attr, begun, clock_.Now());
  edit.PutAttr(attr);
}

void FileSystem::DoubtName(const NodeView& dir, std::string_view name,
                           cache::Edit& edit) {
  edit.SetLease(dir.attr.id, 0);
  tree_.ExpireListing(dir.node);
  invalidations_.entry(dir.node, name);
}

absl::StatusOr<Entry> FileSystem::Link(rpc::Channel& host, NodeId node,
                                       NodeId dir, std::string_view name) {
  if (absl::Status s = CheckWritable(options_); !s.ok()) return s;
  absl::StatusOr<NodeView> file = Known(node);
  if (!file.ok()) return file.status();
  absl::StatusOr<NodeView> view = Known(dir);
  if (!view.ok()) return view.status();
  const Stamp begun = tree_.BeginChange(dir);
  const LinkReply reply =
      host.Link({.node = file->ref, .dir = view->ref, .name = name});
  if (reply.error != 0) return FailDirChange(dir, begun, name, reply.error);
  absl::MutexLock lock(&apply_mu_);
  cache::Edit edit;
  const bool crossed = tree_.ChangedSince(dir, begun);
  Place(*view, name, begun, reply.entry, edit);
  if (crossed) DoubtName(*view, name, edit);
  FinishDirChange(dir, begun, reply.dir, edit);
  cache_.Commit(std::move(edit));
  const Tree::Bound bound = tree_.Bind(dir, name, reply.entry, clock_.Now());
  return MakeEntry(bound.node, bound.attr, bound.fresh_at);
}

// --- attributes and content ---

template <typename Send>
auto FileSystem::SendFollowing(rpc::Channel& host, NodeView& node, Send send) {
  auto reply = send(node.ref);
  if (reply.error != ESTALE || !Relocate(host, node).ok()) return reply;
  absl::StatusOr<NodeView> now = Known(node.node);
  if (!now.ok()) return reply;
  node = *std::move(now);
  return send(node.ref);
}

absl::StatusOr<Entry> FileSystem::SetAttr(rpc::Channel& host, NodeId node,
                                          SetAttrRequest wanted) {
  if (absl::Status s = CheckWritable(options_); !s.ok()) return s;
  absl::StatusOr<NodeView> view = Known(node);
  if (!view.ok()) return view.status();
  if (wanted.uid) wanted.uid = options_.ToHostUid(*wanted.uid);
  if (wanted.gid) wanted.gid = options_.ToHostGid(*wanted.gid);
  const Stamp begun = tree_.BeginChange(node);
  const ChangeReply reply = SendFollowing(host, *view, [&](const NodeRef& ref) {
    wanted.node = ref;
    return host.SetAttr(wanted);
  });
  absl::Status status = FinishNodeChange(*view, begun, reply.error, reply.node);
  if (!status.ok()) return status;
  absl::StatusOr<Entry> entry = GetAttr(host, node);
  // The kernel believes the answer to a change.
  if (entry.ok() && std::exchange(entry->for_caller_only, false)) {
    tree_.NoteTold(node, entry->attr.size, 0);
  }
  return entry;
}

absl::StatusOr<size_t> FileSystem::Write(rpc::Channel& host, NodeId node,
                                         uint64_t offset, std::string_view data,
                                         bool append) {
  drops_.MayHave(node, offset, data.size());
  if (absl::Status s = CheckWritable(options_); !s.ok()) return s;
  absl::StatusOr<NodeView> view = Known(node);
  if (!view.ok()) return view.status();
  // The kernel's offset of an append is where it believes the end to be. For
  // the host the offset is what a retry is checked against (WriteRequest).
  if (append) offset = view->attr.size;
  const Stamp begun = tree_.BeginChange(node);
  const WriteReply reply = SendFollowing(host, *view, [&](const NodeRef& ref) {
    return host.Write(
        {.node = ref, .offset = offset, .data = data, .append = append});
  });
  absl::Status status = FinishNodeChange(*view, begun, reply.error, reply.node);
  if (!status.ok()) return status;
  return reply.written;
}

absl::Status FileSystem::Allocate(rpc::Channel& host, NodeId node, int mode,
                                  uint64_t offset, uint64_t length) {
  if (absl::Status s = CheckWritable(options_); !s.ok()) return s;
  absl::StatusOr<NodeView> view = Known(node);
  if (!view.ok()) return view.status();
  const Stamp begun = tree_.BeginChange(node);
  const ChangeReply reply = SendFollowing(host, *view, [&](const NodeRef& ref) {
    return host.Allocate(
        {.node = ref, .mode = mode, .offset = offset, .length = length});
  });
  return FinishNodeChange(*view, begun, reply.error, reply.node);
}

absl::StatusOr<uint64_t> FileSystem::Copy(rpc::Channel& host, NodeId from,
                                          uint64_t from_offset, NodeId to,
                                          uint64_t to_offset, uint64_t length) {
  if (absl::Status s = CheckWritable(options_); !s.ok()) return s;
  absl::StatusOr<NodeView> source = Known(from);
  if (!source.ok()) return source.status();
  absl::StatusOr<NodeView> view = Known(to);
  if (!view.ok()) return view.status();
  const Stamp begun = tree_.BeginChange(to);
  const CopyReply reply = host.Copy({.from = source->ref,
                                     .from_offset = from_offset,
                                     .to = view->ref,
                                     .to_offset = to_offset,
                                     .length = length});
  absl::Status status = FinishNodeChange(*view, begun, reply.error, reply.to);
  if (!status.ok()) return status;
  return reply.copied;
}

absl::Status FileSystem::Sync(rpc::Channel& host, NodeId node, bool data_only) {
  absl::StatusOr<NodeView> view = Known(node);
  if (!view.ok()) return view.status();
  const Reply reply = SendFollowing(host, *view, [&](const NodeRef& ref) {
    return host.Sync({.node = ref, .data_only = data_only});
  });
  return ErrnoError(reply.error);
}

absl::Status FileSystem::SetXattr(rpc::Channel& host, SetXattrRequest wanted,
                                  NodeId node) {
  if (absl::Status s = CheckWritable(options_); !s.ok()) return s;
  if (!wanted.name.starts_with("user.")) return ErrnoError(EOPNOTSUPP);
  absl::StatusOr<NodeView> view = Known(node);
  if (!view.ok()) return view.status();
  const Stamp begun = tree_.BeginChange(node);
  const ChangeReply reply = SendFollowing(host, *view, [&](const NodeRef& ref) {
    wanted.node = ref;
    return host.SetXattr(wanted);
  });
  return FinishNodeChange(*view, begun, reply.error, reply.node);
}

absl::StatusOr<LockReply> FileSystem::Lock(rpc::Channel& host, NodeId node,
                                           LockRequest wanted) {
  absl::StatusOr<NodeView> view = Known(node);
  if (!view.ok()) return view.status();
  const LockReply reply = SendFollowing(host, *view, [&](const NodeRef& ref) {
    wanted.node = ref;
    return host.Lock(wanted);
  });
  if (reply.error != 0) return ErrnoError(reply.error);
  return reply;
}

}  // namespace warmfs::fuse
