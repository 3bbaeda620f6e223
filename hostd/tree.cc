#include "hostd/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <utility>

#include "hostd/proc_path.h"

namespace warmfs::hostd {

Tree::Tree(UniqueFd root, const Privileges& privileges)
    : jail_(std::move(root)),
      attrs_(jail_.root(), Overlay(!privileges.owns_all)),
      opens_all_(privileges.opens_all) {}

int Tree::Find(const ClientState& client, const NodeRef& ref, Node* out) const {
  if (const int error = CheckPath(ref.path)) return error;
  int error = jail_.Open(ref.path, &out->fd);
  if (error == 0) error = attrs_.Read(out->fd.get(), &out->attr);
  if (error == 0 && out->attr.id == ref.id) return 0;
  UniqueFd orphan = client.Orphan(ref.id);
  if (!orphan) return error != 0 ? error : ESTALE;
  out->fd = std::move(orphan);
  return attrs_.Read(out->fd.get(), &out->attr);
}

int Tree::FindDirectory(const ClientState& client, const NodeRef& ref,
                        Node* out) const {
  if (const int error = Find(client, ref, out)) return error;
  return out->attr.IsDirectory() ? 0 : ENOTDIR;
}

int Tree::FindEntry(int dir, const std::string& name, Node* out) const {
  if (const int error = OpenChild(dir, name, &out->fd)) return error;
  return attrs_.Read(out->fd.get(), &out->attr);
}

int Tree::OpenFile(const ClientState& client, const Node& node, int access,
                   UniqueFd* out) const {
  if (node.attr.IsDirectory()) return EISDIR;
  if (!node.attr.IsRegular()) return EINVAL;
  const int flags = access | O_CLOEXEC | O_NOCTTY;
  *out = UniqueFd(open(ProcPath(node.fd.get()).c_str(), flags));
  if (*out) return 0;
  const int error = errno;
  if (error != EACCES) return error;
  *out = client.Writer(node.attr.id);
  return *out ? 0 : error;
}

int Tree::OpenDirectory(const Node& node, UniqueFd* out) const {
  if (!node.attr.IsDirectory()) return ENOTDIR;
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  *out = UniqueFd(openat(node.fd.get(), ".", kFlags));
  return *out ? 0 : errno;
}

int Tree::ReadTarget(int fd, const char* name, std::string* out) const {
  char target[PATH_MAX];
  const ssize_t size = readlinkat(fd, name, target, sizeof(target));
  if (size < 0) return errno;
  out->assign(target, static_cast<size_t>(size));
  return 0;
}

}  // namespace warmfs::hostd
