#include "hostd/export.h"

#include <utility>

#include "absl/status/status.h"
#include "hostd/file.h"
#include "hostd/own_work.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {

absl::StatusOr<std::unique_ptr<Export>> Export::Open(ExportOptions options) {
  absl::StatusOr<UniqueFd> root = OpenExportRoot(options.directory);
  if (!root.ok()) return root.status();
  return std::unique_ptr<Export>(
      new Export(std::move(options), *std::move(root), CurrentPrivileges()));
}

Export::Export(ExportOptions options, UniqueFd root,
               const Privileges& privileges)
    : tree_(std::move(root), privileges),
      watcher_(options.watch ? std::move(options.watch)(tree_) : nullptr) {
  Attr attr;
  tree_.attrs().Read(tree_.jail().root(), &attr);
  const HostUser user = CurrentHostUser();
  info_.name = std::move(options.name);
  info_.read_only = options.read_only;
  info_.root = attr.id;
  info_.identity = attr.id.ToString();
  info_.host_uid = user.uid;
  info_.host_gid = user.gid;
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
  if (!node.attr.IsSymlink()) return Failed<ReadLinkReply>(kEINVAL);
  ReadLinkReply reply;
  reply.error = ReadTarget(node.fd.get(), "", &reply.target);
  return reply;
}

StatFsReply Export::StatFs(ClientState& client, const NodeRef& ref) const {
  Node node;
  if (const int error = tree_.Find(client, ref, &node)) {
    return Failed<StatFsReply>(error);
  }
  StatFsReply reply;
  reply.error = ReadFileSystem(node.fd.get(), &reply);
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
                  : tree_.OpenFile(client, node, Access::kRead, &fd);
  if (error == kEACCES && node.attr.IsRegular()) {
    own.BeginOn(node.attr.id);  // its close tells of a writer
    error = tree_.OpenFile(client, node, Access::kWrite, &fd);
  }
  if (error != 0) return Failed<Reply>(error);
  return Failed<Reply>(Flush(fd.get(), request.data_only));
}

LockReply Export::Lock(ClientState& client, const LockRequest& request) const {
  // Only for an owner's first lock: what it has locked, it may unlock by the id
  // alone, wherever the file has gone.
  const auto open_file = [&](UniqueFd* fd) {
    Node node;
    if (const int error = tree_.Find(client, request.node, &node)) return error;
    if (node.attr.IsDirectory()) return tree_.OpenDirectory(node, fd);
    const bool writable = !info_.read_only;
    if (writable && tree_.OpenFile(client, node, Access::kReadWrite, fd) == 0)
      return 0;
    return tree_.OpenFile(client, node, Access::kRead, fd);
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
