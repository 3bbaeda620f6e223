// Export's creation of new names: files, directories, symbolic links, FIFOs,
// sockets, hard links.

#include <string>
#include <utility>

#include "hostd/export.h"
#include "hostd/file.h"
#include "hostd/own_work.h"
#include "hostd/ownership.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

// How often an entry may vanish between two looks before the client is told.
constexpr int kOpenAttempts = 4;

int CheckTarget(std::string_view target) {
  if (target.empty()) return kENOENT;
  if (target.size() >= kPATH_MAX) return kENAMETOOLONG;
  return target.find('\0') != target.npos ? kEINVAL : 0;
}

int CheckCreate(const CreateRequest& request) {
  if (const int error = CheckName(request.name)) return error;
  switch (request.mode & kS_IFMT) {
    case kS_IFREG:
      return 0;
    case kS_IFDIR:
    case kS_IFIFO:
    case kS_IFSOCK:
      return request.exclusive ? 0 : kEINVAL;
    case kS_IFLNK:
      return request.exclusive ? CheckTarget(request.target) : kEINVAL;
    case kS_IFCHR:
    case kS_IFBLK:
      return kEPERM;
    default:
      return kEINVAL;
  }
}

// The owner asked for, and set-id bits that the kernel left out. A new object
// with another owner is better than none: failure is ignored.
void Adopt(const Tree& tree, const CreateRequest& request, Node* entry) {
  OwnershipRequest wanted;
  if (request.uid && *request.uid != entry->attr.uid) wanted.uid = request.uid;
  if (request.gid && *request.gid != entry->attr.gid) wanted.gid = request.gid;
  const uint32_t set_id = request.mode & (kS_ISUID | kS_ISGID);
  const bool lost = (set_id & ~entry->attr.mode) != 0;
  if (!entry->attr.IsSymlink() && set_id != 0 && (lost || !wanted.Empty())) {
    wanted.mode = (entry->attr.mode & 07777) | set_id;
  }
  const bool other_mode = (request.mode & 07777) != (entry->attr.mode & 07777);
  if (!entry->attr.IsSymlink() && other_mode && !ModesAreKept()) {
    wanted.mode = request.mode & 07777;
  }
  if (wanted.Empty()) return;
  ChangeOwnership(tree.attrs(), entry->fd.get(), wanted);
}

// Is what is there what a request before this one would have made?
bool IsOwnEffect(const Tree& tree, const CreateRequest& request,
                 const Node& entry) {
  if ((entry.attr.mode & kS_IFMT) != (request.mode & kS_IFMT)) return false;
  if (entry.attr.IsRegular()) return entry.attr.size == 0;
  if (!entry.attr.IsSymlink()) return true;
  std::string target;
  return ReadTarget(entry.fd.get(), "", &target) == 0 &&
         target == request.target;
}

// The name is taken: success for a file to be opened, or for a retry.
int AcceptExisting(const Tree& tree, int dir, const std::string& name,
                   const CreateRequest& request, Node* entry, bool* existed) {
  const int error = tree.FindEntry(dir, name, entry);
  if (error != 0) return error;
  if (!request.exclusive) {
    if (entry->attr.IsDirectory()) return kEISDIR;
    *existed = true;
    return entry->attr.IsRegular() ? 0 : kEEXIST;
  }
  return request.retry && IsOwnEffect(tree, request, *entry) ? 0 : kEEXIST;
}

// `made`: the entry is new, and if it is a file, open for writing.
int MakeOrAccept(const Tree& tree, int dir, const CreateRequest& request,
                 Node* entry, bool* made, bool* existed) {
  const std::string name(request.name);
  for (int i = 0; i < kOpenAttempts; ++i) {
    UniqueFd file;
    int error = MakeEntry(dir, name, request, &file);
    *made = error == 0;
    if (error != 0 && error != kEEXIST) return error;
    if (file) {
      entry->fd = std::move(file);
      return tree.attrs().Read(entry->fd.get(), &entry->attr);
    }
    error = *made ? tree.FindEntry(dir, name, entry)
                  : AcceptExisting(tree, dir, name, request, entry, existed);
    if (*made || error != kENOENT) return error;
  }
  // Taken each time, and never there: on a host that ignores case, by a name
  // that differs in it.
  return kEEXIST;
}

// A new entry, and what is done to it before the client is answered.
Claim ClaimOf(const Node& dir, std::string_view name) {
  Claim claim;
  claim.name_kinds = KindBit(EventKind::kCreated) | kContentKinds;
  claim.names = {{dir.attr.id, std::string(name)}};
  return claim;
}

}  // namespace

CreateReply Export::Create(ClientState& client,
                           const CreateRequest& request) const {
  if (info_.read_only) return Failed<CreateReply>(kEROFS);
  OwnWork own(watcher_.get(), client);
  Node dir, entry;
  CreateReply reply;
  bool made = false;
  int error = CheckCreate(request);
  if (error == 0) error = tree_.FindDirectory(client, request.dir, &dir);
  if (error == 0) {
    own.Begin(ClaimOf(dir, request.name));
    error = MakeOrAccept(tree_, dir.fd.get(), request, &entry, &made,
                         &reply.existed);
  }
  if (error != 0) return Failed<CreateReply>(error);
  if (!reply.existed) Adopt(tree_, request, &entry);
  own.End();
  reply.entry = ChangeOf(entry).after;
  reply.dir = ChangeOf(dir);
  if (!made || !entry.attr.IsRegular()) return reply;
  if (tree_.NeedsWriter(request.mode)) {
    KeepWriter(watcher_.get(), client, entry.attr.id, std::move(entry.fd));
  } else {
    CloseWriter(watcher_.get(), client, {entry.attr.id, std::move(entry.fd)},
                request.name);
  }
  return reply;
}

LinkReply Export::Link(ClientState& client, const LinkRequest& request) const {
  if (info_.read_only) return Failed<LinkReply>(kEROFS);
  OwnWork own(watcher_.get(), client);
  Node node, dir, entry;
  int error = CheckName(request.name);
  if (error == 0) error = tree_.Find(client, request.node, &node);
  if (error == 0) error = tree_.FindDirectory(client, request.dir, &dir);
  if (error == 0 && node.attr.IsDirectory()) error = kEPERM;
  if (error != 0) return Failed<LinkReply>(error);
  const std::string name(request.name);
  Claim claim = ClaimOf(dir, name);
  claim.object_kinds = KindBit(EventKind::kAttributes);  // its count of links
  claim.objects = {node.attr.id};
  own.Begin(std::move(claim));
  error = LinkEntry(node.fd.get(), dir.fd.get(), name);
  if (error != 0 && (error != kEEXIST || !request.retry)) {
    return Failed<LinkReply>(error);
  }
  const int made = error;
  own.End();
  error = tree_.FindEntry(dir.fd.get(), name, &entry);
  if (error == 0 && entry.attr.id != node.attr.id) {
    error = made == 0 ? kESTALE : made;
  }
  if (error != 0) return Failed<LinkReply>(error);
  LinkReply reply;
  reply.entry = entry.attr;
  reply.dir = ChangeOf(dir);
  return reply;
}

}  // namespace warmfs::hostd
