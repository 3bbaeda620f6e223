// Export's changes of attributes: owner, mode, size, times, extended
// attributes.

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "hostd/export.h"
#include "hostd/own_work.h"
#include "hostd/ownership.h"
#include "hostd/proc_path.h"

namespace warmfs::hostd {
namespace {

constexpr std::string_view kUserXattrs = "user.";
constexpr std::string_view kSecurityXattrs = "security.";
constexpr uint32_t kNanosPerSecond = 1'000'000'000;

int ToTimespec(const std::optional<TimeOrNow>& time, timespec* out) {
  out->tv_sec = 0;
  out->tv_nsec = UTIME_OMIT;
  if (!time) return 0;
  if (time->now) {
    out->tv_nsec = UTIME_NOW;
    return 0;
  }
  if (time->time.nsec >= kNanosPerSecond) return EINVAL;
  out->tv_sec = time->time.sec;
  out->tv_nsec = time->time.nsec;
  return 0;
}

int SetTimes(int fd, const SetAttrRequest& request) {
  if (!request.atime && !request.mtime) return 0;
  timespec times[2];
  if (const int error = ToTimespec(request.atime, &times[0])) return error;
  if (const int error = ToTimespec(request.mtime, &times[1])) return error;
  return utimensat(fd, "", times, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

int SetSize(int fd, uint64_t size) {
  if (size > INT64_MAX) return EFBIG;
  return ftruncate(fd, static_cast<off_t>(size)) == 0 ? 0 : errno;
}

// The VM may have the file open for more than its new mode allows hostd.
void KeepReachable(const Tree& tree, Watcher* watcher, ClientState& client,
                   const Node& node, const SetAttrRequest& request) {
  if (!request.mode || !node.attr.IsRegular()) return;
  if (!tree.NeedsWriter(*request.mode)) return;
  UniqueFd fd;
  if (tree.OpenFile(client, node, O_RDWR, &fd) == 0) {
    KeepWriter(watcher, client, node.attr.id, std::move(fd));
  }
}

// Only user.* attributes travel; others would speak of the host's security
// modules and ACLs, in which the VM has no part.
int CheckXattrName(std::string_view name) {
  if (name.size() > kMaxNameBytes) return ERANGE;
  if (name.find('\0') != name.npos) return EINVAL;
  if (!name.starts_with(kUserXattrs)) return EOPNOTSUPP;
  return name == kUserXattrs ? EINVAL : 0;
}

bool IsPrivate(std::string_view name) {
  return name.starts_with(kPrivateXattrs);
}

bool MayCarryXattrs(const Attr& attr) {
  return attr.IsRegular() || attr.IsDirectory();
}

int ListXattrs(int fd, std::string* out) {
  std::string names(kMaxXattrBytes, '\0');
  const ssize_t size =
      listxattr(ProcPath(fd).c_str(), names.data(), names.size());
  if (size < 0) return errno == EOPNOTSUPP ? 0 : errno;
  std::string_view rest(names.data(), static_cast<size_t>(size));
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (CheckXattrName(name) != 0 || IsPrivate(name)) continue;
    out->append(name).push_back('\0');
  }
  return 0;
}

int ReadXattr(int fd, const std::string& name, std::string* out) {
  out->resize(kMaxXattrBytes);
  const ssize_t size =
      getxattr(ProcPath(fd).c_str(), name.c_str(), out->data(), out->size());
  out->resize(size < 0 ? 0 : static_cast<size_t>(size));
  return size < 0 ? errno : 0;
}

int WriteXattr(int fd, const SetXattrRequest& request) {
  const ProcPath path(fd);
  const std::string name(request.name);
  const int result =
      request.value
          ? setxattr(path.c_str(), name.c_str(), request.value->data(),
                     request.value->size(), request.flags)
          : removexattr(path.c_str(), name.c_str());
  return result == 0 ? 0 : errno;
}

int CheckSetXattr(const SetXattrRequest& request) {
  if (const int error = CheckXattrName(request.name)) return error;
  if (IsPrivate(request.name)) return request.value ? EPERM : ENODATA;
  if (request.value && request.value->size() > kMaxXattrBytes) return E2BIG;
  return (request.flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0 ? EINVAL : 0;
}

}  // namespace

ChangeReply Export::SetAttr(ClientState& client,
                            const SetAttrRequest& request) const {
  if (info_.read_only) return Failed<ChangeReply>(EROFS);
  OwnWork own(watcher_.get(), client);
  Node node;
  UniqueFd writable;
  int error = tree_.Find(client, request.node, &node);
  // Before the mode may change, and before anything has.
  if (error == 0 && request.size) {
    error = tree_.OpenFile(client, node, O_WRONLY, &writable);
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
    error = SetSize(writable.get(), *request.size);
  }
  if (error == 0) error = SetTimes(fd, request);
  if (error != 0) return Failed<ChangeReply>(error);
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
    if (carries) reply.error = ListXattrs(node.fd.get(), &reply.value);
    return reply;
  }
  // Asked for with each write: there are no capabilities here, not no support.
  const bool security = request.name.starts_with(kSecurityXattrs);
  if (security || IsPrivate(request.name)) reply.error = ENODATA;
  if (reply.error == 0) reply.error = CheckXattrName(request.name);
  if (reply.error == 0 && !carries) reply.error = ENODATA;
  if (reply.error != 0) return reply;
  reply.error =
      ReadXattr(node.fd.get(), std::string(request.name), &reply.value);
  return reply;
}

ChangeReply Export::SetXattr(ClientState& client,
                             const SetXattrRequest& request) const {
  if (info_.read_only) return Failed<ChangeReply>(EROFS);
  if (const int error = CheckSetXattr(request)) {
    return Failed<ChangeReply>(error);
  }
  OwnWork own(watcher_.get(), client);
  Node node;
  int error = tree_.Find(client, request.node, &node);
  if (error == 0 && !MayCarryXattrs(node.attr)) error = EPERM;
  if (error == 0) own.BeginOn(node.attr.id, request.node.path);
  if (error == 0) error = WriteXattr(node.fd.get(), request);
  if (error != 0) return Failed<ChangeReply>(error);
  ChangeReply reply;
  reply.node = ChangeOf(node);
  return reply;
}

}  // namespace warmfs::hostd
