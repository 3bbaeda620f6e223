// Export's changes of attributes: owner, mode, size, times, extended
// attributes.

#include <algorithm>
#include <string>
#include <utility>

#include "hostd/export.h"
#include "hostd/file.h"
#include "hostd/own_work.h"
#include "hostd/ownership.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr std::string_view kUserXattrs = "user.";
constexpr std::string_view kSecurityXattrs = "security.";
constexpr uint32_t kNanosPerSecond = 1'000'000'000;

int CheckTime(const std::optional<TimeOrNow>& time) {
  return time && !time->now && time->time.nsec >= kNanosPerSecond ? kEINVAL : 0;
}

int ChangeTimes(int fd, const SetAttrRequest& request) {
  if (!request.atime && !request.mtime) return 0;
  if (const int error = CheckTime(request.atime)) return error;
  if (const int error = CheckTime(request.mtime)) return error;
  return SetTimes(fd, request.atime, request.mtime);
}

int ChangeSize(int fd, uint64_t size) {
  return size > INT64_MAX ? kEFBIG : SetSize(fd, size);
}

// The VM may have the file open for more than its new mode allows hostd.
void KeepReachable(const Tree& tree, Watcher* watcher, ClientState& client,
                   const Node& node, const SetAttrRequest& request) {
  if (!request.mode || !node.attr.IsRegular()) return;
  if (!tree.NeedsWriter(*request.mode)) return;
  UniqueFd fd;
  if (tree.OpenFile(client, node, Access::kReadWrite, &fd) == 0) {
    KeepWriter(watcher, client, node.attr.id, std::move(fd));
  }
}

// Only user.* attributes travel; others would speak of the host's security
// modules and ACLs, in which the VM has no part.
int CheckXattrName(std::string_view name) {
  if (name.size() > kMaxNameBytes) return kERANGE;
  if (name.find('\0') != name.npos) return kEINVAL;
  if (!name.starts_with(kUserXattrs)) return kEOPNOTSUPP;
  return name == kUserXattrs ? kEINVAL : 0;
}

bool IsPrivate(std::string_view name) {
  return name.starts_with(kPrivateXattrs);
}

bool MayCarryXattrs(const Attr& attr) {
  return attr.IsRegular() || attr.IsDirectory();
}

// Those that travel, of all that the host has.
int ListOwnXattrs(int fd, std::string* out) {
  std::string names;
  if (const int error = ListXattrs(fd, &names)) return error;
  std::string_view rest = names;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (CheckXattrName(name) != 0 || IsPrivate(name)) continue;
    out->append(name).push_back('\0');
  }
  return 0;
}

int CheckSetXattr(const SetXattrRequest& request) {
  if (const int error = CheckXattrName(request.name)) return error;
  if (IsPrivate(request.name)) return request.value ? kEPERM : kENODATA;
  if (request.value && request.value->size() > kMaxXattrBytes) return kE2BIG;
  return (request.flags & ~(kXATTR_CREATE | kXATTR_REPLACE)) != 0 ? kEINVAL : 0;
}

}  // namespace

ChangeReply Export::SetAttr(ClientState& client,
                            const SetAttrRequest& request) const {
  if (info_.read_only) return Failed<ChangeReply>(kEROFS);
  OwnWork own(watcher_.get(), client);
  Node node;
  UniqueFd writable;
  int error = tree_.Find(client, request.node, &node);
  // Before the mode may change, and before anything has.
  if (error == 0 && request.size) {
    error = tree_.OpenFile(client, node, Access::kWrite, &writable);
  }
  if (error != 0) return Failed<ChangeReply>(error);
  own.BeginOn(node.attr.id, request.node.path);
  KeepReachable(tree_, watcher_.get(), client, node, request);
  OwnershipRequest ownership{request.uid, request.gid, request.mode};
  if (ownership.mode) *ownership.mode &= 07777;
  const int fd = node.fd.get();
  if (!ownership.Empty()) {
    error = ChangeOwnership(tree_.attrs(), fd, ownership);
  }
  if (error == 0 && request.size) {
    error = ChangeSize(writable.get(), *request.size);
  }
  if (error == 0) error = ChangeTimes(fd, request);
  if (error != 0) return Failed<ChangeReply>(error);
  writable.Reset();
  own.End();
  ChangeReply reply;
  reply.node = ChangeOf(node);
  return reply;
}

GetXattrReply Export::GetXattr(ClientState& client,
                               const GetXattrRequest& request) const {
  Node node;
  GetXattrReply reply;
  reply.error = tree_.Find(client, request.node, &node);
  if (reply.error != 0) return reply;
  const bool carries = MayCarryXattrs(node.attr);
  if (request.name.empty()) {
    if (carries) reply.error = ListOwnXattrs(node.fd.get(), &reply.value);
    return reply;
  }
  // Asked for with each write: there are no capabilities here, not no support.
  const bool security = request.name.starts_with(kSecurityXattrs);
  if (security || IsPrivate(request.name)) reply.error = kENODATA;
  if (reply.error == 0) reply.error = CheckXattrName(request.name);
  if (reply.error == 0 && !carries) reply.error = kENODATA;
  if (reply.error != 0) return reply;
  reply.error =
      ReadXattr(node.fd.get(), std::string(request.name), &reply.value);
  return reply;
}

ChangeReply Export::SetXattr(ClientState& client,
                             const SetXattrRequest& request) const {
  if (info_.read_only) return Failed<ChangeReply>(kEROFS);
  if (const int error = CheckSetXattr(request)) {
    return Failed<ChangeReply>(error);
  }
  OwnWork own(watcher_.get(), client);
  Node node;
  int error = tree_.Find(client, request.node, &node);
  if (error == 0 && !MayCarryXattrs(node.attr)) error = kEPERM;
  if (error == 0) own.BeginOn(node.attr.id, request.node.path);
  if (error == 0) error = WriteXattr(node.fd.get(), request);
  if (error != 0) return Failed<ChangeReply>(error);
  own.End();
  ChangeReply reply;
  reply.node = ChangeOf(node);
  return reply;
}

}  // namespace warmfs::hostd
