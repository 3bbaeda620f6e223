// Export's changes of names that are there: remove and rename.

#include <string>
#include <utility>

#include "hostd/export.h"
#include "hostd/file.h"
#include "hostd/own_work.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

// Both names, and what they lead to before the rename.
struct RenameState {
  Node from_dir, to_dir;
  std::string from_name, to_name;
  Node moved, other;
  bool has_other = false;
};

int FindBoth(const Tree& tree, const ClientState& client,
             const RenameRequest& request, RenameState* s) {
  int error = CheckName(request.from_name);
  if (error == 0) error = CheckName(request.to_name);
  if (error == 0 && request.flags > kRENAME_EXCHANGE) error = kEINVAL;
  if (error == 0) {
    error = tree.FindDirectory(client, request.from_dir, &s->from_dir);
  }
  if (error == 0)
    error = tree.FindDirectory(client, request.to_dir, &s->to_dir);
  s->from_name = request.from_name;
  s->to_name = request.to_name;
  return error;
}

// What is at both names; ENOENT if nothing is at the first.
int LookAtBoth(const Tree& tree, RenameState* s) {
  const int found = tree.FindEntry(s->to_dir.fd.get(), s->to_name, &s->other);
  if (found != 0 && found != kENOENT) return found;
  s->has_other = found == 0;
  return tree.FindEntry(s->from_dir.fd.get(), s->from_name, &s->moved);
}

// A retry that finds the expected object at its new name, and not at its old.
bool IsDone(const RenameRequest& request, int look_error,
            const RenameState& s) {
  if (!request.retry || request.expected.IsNull() || !s.has_other) return false;
  if (s.other.attr.id != request.expected) return false;
  return look_error == kENOENT ||
         (look_error == 0 && s.moved.attr.id != request.expected);
}

// What the first attempt had moved is at the new name now, and an exchange's
// other object at the old one. What it replaced is gone, and not told.
void Settle(const RenameRequest& request, RenameState* s) {
  std::swap(s->moved, s->other);
  s->has_other = request.flags == kRENAME_EXCHANGE && s->other.fd;
}

// The name goes, and a link of the object.
Claim ClaimOf(const Node& dir, const std::string& name, const Node& entry) {
  Claim claim;
  claim.name_kinds = KindBit(EventKind::kDeleted);
  claim.names = {{dir.attr.id, name}};
  claim.object_kinds = KindBit(EventKind::kAttributes);
  claim.objects = {entry.attr.id};
  return claim;
}

// Both names, in case of an exchange; what is replaced loses a link.
Claim ClaimOf(const RenameState& s) {
  Claim claim;
  claim.name_kinds =
      KindBit(EventKind::kMovedFrom) | KindBit(EventKind::kMovedTo);
  claim.names = {{s.from_dir.attr.id, s.from_name},
                 {s.to_dir.attr.id, s.to_name}};
  claim.object_kinds = KindBit(EventKind::kAttributes);
  if (s.has_other) claim.objects = {s.other.attr.id};
  return claim;
}

// Are the names as this rename makes them?
bool IsSettled(const Tree& tree, const RenameRequest& request,
               const RenameState& s) {
  const auto at = [&](const Node& dir, const std::string& name) {
    Node node;
    tree.FindEntry(dir.fd.get(), name, &node);
    return node.attr.id;
  };
  const bool exchanged = request.flags == kRENAME_EXCHANGE;
  const FileId old = exchanged ? s.other.attr.id : FileId();
  return at(s.to_dir, s.to_name) == s.moved.attr.id &&
         at(s.from_dir, s.from_name) == old;
}

// What is replaced is to be reached by its FileId.
bool KeepsOther(const RenameRequest& request, const RenameState& s) {
  return request.keep_orphan && s.has_other &&
         request.flags != kRENAME_EXCHANGE && !s.other.attr.IsDirectory();
}

}  // namespace

RemoveReply Export::Remove(ClientState& client,
                           const RemoveRequest& request) const {
  if (info_.read_only) return Failed<RemoveReply>(kEROFS);
  OwnWork own(watcher_.get(), client);
  Node dir, entry;
  RemoveReply reply;
  const std::string name(request.name);
  int error = CheckName(request.name);
  if (error == 0) error = tree_.FindDirectory(client, request.dir, &dir);
  if (error != 0) return Failed<RemoveReply>(error);
  error = tree_.FindEntry(dir.fd.get(), name, &entry);
  if (error == 0) own.Begin(ClaimOf(dir, name, entry));
  const bool keep =
      error == 0 && request.keep_orphan && !entry.attr.IsDirectory();
  if (keep) PinForLater(&entry.fd);
  if (error == 0) error = RemoveEntry(dir.fd.get(), name, request.directory);
  const bool gone = error == kENOENT && request.retry;
  if (error != 0 && !gone) return Failed<RemoveReply>(error);
  own.End();
  reply.dir = ChangeOf(dir);
  if (gone) return reply;
  reply.removed = ChangeOf(entry).after;
  if (keep) {
    client.KeepOrphan(entry.attr.id, std::move(entry.fd));
  }
  return reply;
}

RenameReply Export::Rename(ClientState& client,
                           const RenameRequest& request) const {
  if (info_.read_only) return Failed<RenameReply>(kEROFS);
  OwnWork own(watcher_.get(), client);
  RenameState s;
  int error = FindBoth(tree_, client, request, &s);
  if (error != 0) return Failed<RenameReply>(error);
  error = LookAtBoth(tree_, &s);
  if (IsDone(request, error, s)) {
    Settle(request, &s);
    error = 0;
  } else if (error == 0) {
    own.Begin(ClaimOf(s));
    if (KeepsOther(request, s)) PinForLater(&s.other.fd);
    error = RenameEntry(s.from_dir.fd.get(), s.from_name, s.to_dir.fd.get(),
                        s.to_name, request.flags);
  }
  if (error != 0) return Failed<RenameReply>(error);
  own.End();
  RenameReply reply;
  reply.unsettled = !IsSettled(tree_, request, s);
  reply.moved = ChangeOf(s.moved).after;
  reply.from_dir = ChangeOf(s.from_dir);
  reply.to_dir = ChangeOf(s.to_dir);
  if (!s.has_other || s.other.attr.id == s.moved.attr.id) return reply;
  reply.other = ChangeOf(s.other).after;
  if (KeepsOther(request, s)) {
    client.KeepOrphan(s.other.attr.id, std::move(s.other.fd));
  }
  return reply;
}

}  // namespace warmfs::hostd
