#include "hostd/export.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hostd/own_work.h"
#include "hostd/proc_path.h"

namespace warmfs::hostd {
namespace {

absl::Status OpenError(const std::string& directory, int error) {
  return absl::ErrnoToStatus(error,
                             absl::StrCat("cannot export '", directory, "'"));
}

// The two things that the jail is made of. A container's system call filter or
// a missing /proc would otherwise show as odd errors of single operations.
absl::Status CheckSystem(int root) {
  const Jail jail(UniqueFd(fcntl(root, F_DUPFD_CLOEXEC, 0)));
  UniqueFd fd;
  const int error = jail.Open("no-such-name-in-this-directory", &fd);
  if (error == ENOSYS || error == EPERM) {
    return absl::FailedPreconditionError(
        "the kernel does not allow openat2(2), which needs Linux 5.6");
  }
  if (access(ProcPath(root).c_str(), F_OK) != 0) {
    return absl::FailedPreconditionError("/proc is not mounted");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Export>> Export::Open(ExportOptions options) {
  constexpr int kFlags = O_DIRECTORY | O_CLOEXEC;
  const char* const path = options.directory.c_str();
  // Opened for reading first: a directory that cannot be listed is of no use.
  if (!UniqueFd(open(path, O_RDONLY | kFlags))) {
    return OpenError(options.directory, errno);
  }
  UniqueFd root(open(path, O_PATH | kFlags));
  if (!root) return OpenError(options.directory, errno);
  if (faccessat(root.get(), ".", X_OK, AT_EACCESS) != 0) {
    return OpenError(options.directory, errno);
  }
  if (absl::Status status = CheckSystem(root.get()); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Export>(
      new Export(std::move(options), std::move(root), CurrentPrivileges()));
}

Export::Export(ExportOptions options, UniqueFd root,
               const Privileges& privileges)
    : tree_(std::move(root), privileges),
      watcher_(options.source == nullptr
                   ? nullptr
                   : std::make_unique<Watcher>(tree_, std::move(options.source),
                                               options.watch)) {
  Attr attr;
  tree_.attrs().Read(tree_.jail().root(), &attr);
  info_.name = std::move(options.name);
  info_.read_only = options.read_only;
  info_.root = attr.id;
  info_.identity = attr.id.ToString();
  info_.host_uid = geteuid();
  info_.host_gid = getegid();
  info_.journal = watcher_ != nullptr;
}

Change Export::ChangeOf(const Node& node) const {
  Change change{node.attr, node.attr};
  tree_.attrs().Read(node.fd.get(), &change.after);
  return change;
}

AttrReply Export::GetAttr(ClientState& client, const NodeRef& ref) const {
  Node node;
  AttrReply reply;
  reply.error = tree_.Find(client, ref, &node);
  if (reply.error == 0) reply.attr = node.attr;
  return reply;
}

ReadLinkReply Export::ReadLink(ClientState& client, const NodeRef& ref) const {
  Node node;
  if (const int error = tree_.Find(client, ref, &node)) {
    return Failed<ReadLinkReply>(error);
  }
  if (!node.attr.IsSymlink()) return Failed<ReadLinkReply>(EINVAL);
  ReadLinkReply reply;
  reply.error = tree_.ReadTarget(node.fd.get(), "", &reply.target);
  return reply;
}

StatFsReply Export::StatFs(ClientState& client, const NodeRef& ref) const {
  Node node;
  if (const int error = tree_.Find(client, ref, &node)) {
    return Failed<StatFsReply>(error);
  }
  struct statfs fs {};
  if (fstatfs(node.fd.get(), &fs) != 0) return Failed<StatFsReply>(errno);
  StatFsReply reply;
  reply.block_bytes = static_cast<uint64_t>(fs.f_bsize);
  reply.blocks = fs.f_blocks;
  reply.blocks_free = fs.f_bfree;
  reply.blocks_available = fs.f_bavail;
  reply.files = fs.f_files;
  reply.files_free = fs.f_ffree;
  reply.name_max = static_cast<uint32_t>(fs.f_namelen);
  return reply;
}

Reply Export::Sync(ClientState& client, const SyncRequest& request) const {
  OwnWork own(watcher_.get(), client);
  Node node;
  if (const int error = tree_.Find(client, request.node, &node)) {
    return Failed<Reply>(error);
  }
  UniqueFd fd;
  int error = node.attr.IsDirectory()
                  ? tree_.OpenDirectory(node, &fd)
                  : tree_.OpenFile(client, node, O_RDONLY, &fd);
  if (error == EACCES && node.attr.IsRegular()) {
    own.BeginOn(node.attr.id);  // its close tells of a writer
    error = tree_.OpenFile(client, node, O_WRONLY, &fd);
  }
  if (error != 0) return Failed<Reply>(error);
  const int result = request.data_only ? fdatasync(fd.get()) : fsync(fd.get());
  return Failed<Reply>(result == 0 ? 0 : errno);
}

LockReply Export::Lock(ClientState& client, const LockRequest& request) const {
  // Only for an owner's first lock: what it has locked, it may unlock by the id
  // alone, wherever the file has gone.
  const auto open_file = [&](UniqueFd* fd) {
    Node node;
    if (const int error = tree_.Find(client, request.node, &node)) return error;
    if (node.attr.IsDirectory()) return tree_.OpenDirectory(node, fd);
    const bool writable = !info_.read_only;
    if (writable && tree_.OpenFile(client, node, O_RDWR, fd) == 0) return 0;
    return tree_.OpenFile(client, node, O_RDONLY, fd);
  };
  // A file that was opened for writing may be closed.
  OwnWork own(watcher_.get(), client);
  own.BeginOn(request.node.id, request.node.path);
  return client.locks().Apply(request, open_file);
}

void Export::Release(ClientState& client, const ReleaseRequest& request) const {
  OwnWork own(watcher_.get(), client);
  Claim claim;
  claim.object_kinds = KindBit(EventKind::kClosedWrite);
  claim.objects = client.WritersAmong(request.orphans);
  if (!claim.objects.empty()) own.Begin(std::move(claim));
  client.Release(request.orphans);
}

}  // namespace warmfs::hostd
