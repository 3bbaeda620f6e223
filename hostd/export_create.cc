// Export's creation of new names: files, directories, symbolic links, FIFOs,
// sockets, hard links.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "hostd/export.h"
#include "hostd/own_work.h"
#include "hostd/ownership.h"
#include "hostd/proc_path.h"

namespace warmfs::hostd {
namespace {

// How often an entry may vanish between two looks before the client is told.
constexpr int kOpenAttempts = 4;

int CheckTarget(std::string_view target) {
  if (target.empty()) return ENOENT;
  if (target.size() >= PATH_MAX) return ENAMETOOLONG;
  return target.find('\0') != target.npos ? EINVAL : 0;
}

int CheckCreate(const CreateRequest& request) {
  if (const int error = CheckName(request.name)) return error;
  switch (request.mode & S_IFMT) {
    case S_IFREG:
      return 0;
    case S_IFDIR:
    case S_IFIFO:
    case S_IFSOCK:
      return request.exclusive ? 0 : EINVAL;
    case S_IFLNK:
      return request.exclusive ? CheckTarget(request.target) : EINVAL;
    case S_IFCHR:
    case S_IFBLK:
      return EPERM;
    default:
      return EINVAL;
  }
}

// Makes the object; a file is left open for reading and writing.
int Make(int dir, const std::string& name, const CreateRequest& request,
         UniqueFd* file) {
  constexpr int kFlags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC;
  const mode_t mode = request.mode & 07777;
  int result = 0;
  switch (request.mode & S_IFMT) {
    case S_IFREG:
      *file = UniqueFd(openat(dir, name.c_str(), kFlags, mode));
      result = file->get();
      break;
    case S_IFDIR:
      result = mkdirat(dir, name.c_str(), mode);
      break;
    case S_IFLNK:
      result =
          symlinkat(std::string(request.target).c_str(), dir, name.c_str());
      break;
    default:
      result = mknodat(dir, name.c_str(), (request.mode & S_IFMT) | mode, 0);
  }
  return result >= 0 ? 0 : errno;
}

// The owner asked for, and set-id bits that the kernel left out. A new object
// with another owner is better than none: failure is ignored.
void Adopt(const Tree& tree, const CreateRequest& request, Node* entry) {
  OwnershipRequest wanted;
  if (request.uid && *request.uid != entry->attr.uid) wanted.uid = request.uid;
  if (request.gid && *request.gid != entry->attr.gid) wanted.gid = request.gid;
  const uint32_t set_id = request.mode & (S_ISUID | S_ISGID);
  const bool lost = (set_id & ~entry->attr.mode) != 0;
  if (!entry->attr.IsSymlink() && set_id != 0 && (lost || !wanted.Empty())) {
    wanted.mode = (entry->attr.mode & 07777) | set_id;
  }
  if (wanted.Empty()) return;
  ChangeOwnership(tree.attrs(), entry->fd.get(), wanted);
  tree.attrs().Read(entry->fd.get(), &entry->attr);
}

// Is what is there what a request before this one would have made?
bool IsOwnEffect(const Tree& tree, const CreateRequest& request,
                 const Node& entry) {
  if ((entry.attr.mode & S_IFMT) != (request.mode & S_IFMT)) return false;
  if (entry.attr.IsRegular()) return entry.attr.size == 0;
  if (!entry.attr.IsSymlink()) return true;
  std::string target;
  return tree.ReadTarget(entry.fd.get(), "", &target) == 0 &&
         target == request.target;
}

// The name is taken: success for a file to be opened, or for a retry.
int AcceptExisting(const Tree& tree, int dir, const std::string& name,
                   const CreateRequest& request, Node* entry, bool* existed) {
  const int error = tree.FindEntry(dir, name, entry);
  if (error != 0) return error;
  if (!request.exclusive) {
    if (entry->attr.IsDirectory()) return EISDIR;
    *existed = true;
    return entry->attr.IsRegular() ? 0 : EEXIST;
  }
  return request.retry && IsOwnEffect(tree, request, *entry) ? 0 : EEXIST;
}

// `made`: the entry is new, and if it is a file, open for writing.
int MakeOrAccept(const Tree& tree, int dir, const CreateRequest& request,
                 Node* entry, bool* made, bool* existed) {
  const std::string name(request.name);
  int error = 0;
  for (int i = 0; i < kOpenAttempts; ++i) {
    UniqueFd file;
    error = Make(dir, name, request, &file);
    *made = error == 0;
    if (error != 0 && error != EEXIST) return error;
    if (file) {
      entry->fd = std::move(file);
      return tree.attrs().Read(entry->fd.get(), &entry->attr);
    }
    error = *made ? tree.FindEntry(dir, name, entry)
                  : AcceptExisting(tree, dir, name, request, entry, existed);
    if (*made || error != ENOENT) return error;
  }
  return error;
}

// Follows no more than the way back to the pinned object, which may itself be a
// symbolic link.
int LinkNode(const Node& node, int dir, const std::string& name) {
  const ProcPath path(node.fd.get());
  return linkat(AT_FDCWD, path.c_str(), dir, name.c_str(), AT_SYMLINK_FOLLOW) ==
                 0
             ? 0
             : errno;
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
  if (info_.read_only) return Failed<CreateReply>(EROFS);
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
  reply.entry = entry.attr;
  reply.dir = ChangeOf(dir);
  if (made && entry.attr.IsRegular() && tree_.NeedsWriter(request.mode)) {
    KeepWriter(watcher_.get(), client, entry.attr.id, std::move(entry.fd));
  }
  return reply;
}

LinkReply Export::Link(ClientState& client, const LinkRequest& request) const {
  if (info_.read_only) return Failed<LinkReply>(EROFS);
  OwnWork own(watcher_.get(), client);
  Node node, dir, entry;
  int error = CheckName(request.name);
  if (error == 0) error = tree_.Find(client, request.node, &node);
  if (error == 0) error = tree_.FindDirectory(client, request.dir, &dir);
  if (error == 0 && node.attr.IsDirectory()) error = EPERM;
  if (error != 0) return Failed<LinkReply>(error);
  const std::string name(request.name);
  Claim claim = ClaimOf(dir, name);
  claim.object_kinds = KindBit(EventKind::kAttributes);  // its count of links
  claim.objects = {node.attr.id};
  own.Begin(std::move(claim));
  error = LinkNode(node, dir.fd.get(), name);
  if (error != 0 && (error != EEXIST || !request.retry)) {
    return Failed<LinkReply>(error);
  }
  const int made = error;
  error = tree_.FindEntry(dir.fd.get(), name, &entry);
  if (error == 0 && entry.attr.id != node.attr.id) {
    error = made == 0 ? ESTALE : made;
  }
  if (error != 0) return Failed<LinkReply>(error);
  LinkReply reply;
  reply.entry = entry.attr;
  reply.dir = ChangeOf(dir);
  return reply;
}

}  // namespace warmfs::hostd
