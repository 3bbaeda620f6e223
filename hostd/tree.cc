#include "hostd/tree.h"

#include <utility>

#include "schema/linux_abi.h"

namespace warmfs::hostd {

Tree::Tree(UniqueFd root, const Privileges& privileges)
    : jail_(std::move(root)),
      attrs_(jail_.root(), Overlay(!privileges.owns_all, jail_.root())),
      opens_all_(privileges.opens_all) {}

int Tree::Find(const ClientState& client, const NodeRef& ref, Node* out) const {
  if (const int error = CheckPath(ref.path)) return error;
  int error = jail_.Open(ref.path, &out->fd);
  if (error == 0) error = attrs_.Read(out->fd.get(), &out->attr);
  if (error == 0 && out->attr.id == ref.id) return 0;
  UniqueFd orphan = client.Orphan(ref.id);
  if (!orphan) return error != 0 ? error : kESTALE;
  out->fd = std::move(orphan);
  return attrs_.Read(out->fd.get(), &out->attr);
}

int Tree::FindDirectory(const ClientState& client, const NodeRef& ref,
                        Node* out) const {
  if (const int error = Find(client, ref, out)) return error;
  return out->attr.IsDirectory() ? 0 : kENOTDIR;
}

int Tree::FindToRead(const ClientState& client, const NodeRef& ref,
                     Node* out) const {
  const int error = Find(client, ref, out);
  if (error == 0) return 0;
  UniqueFd recent = recent_.Find(ref.id);
  if (!recent) return error;
  out->fd = std::move(recent);
  if (const int failed = attrs_.Read(out->fd.get(), &out->attr)) return failed;
  // It may have been another by the time that its attributes were taken.
  return out->attr.id == ref.id ? 0 : error;
}

void Tree::Expect(Node node) const {
  if (!node.attr.IsRegular()) return;
  recent_.Keep(node.attr.id, std::move(node.fd));
}

int Tree::FindEntry(int dir, const std::string& name, Node* out) const {
  if (const int error = OpenChild(dir, name, &out->fd)) return error;
  return attrs_.Read(out->fd.get(), &out->attr);
}

int Tree::OpenFile(const ClientState& client, const Node& node, Access access,
                   UniqueFd* out) const {
  if (node.attr.IsDirectory()) return kEISDIR;
  if (!node.attr.IsRegular()) return kEINVAL;
  const int error = OpenPinned(node.fd.get(), access, out);
  if (error != kEACCES) return error;
  *out = client.Writer(node.attr.id);
  return *out ? 0 : error;
}

int Tree::OpenDirectory(const Node& node, UniqueFd* out) const {
  if (!node.attr.IsDirectory()) return kENOTDIR;
  return OpenPinnedDirectory(node.fd.get(), out);
}

}  // namespace warmfs::hostd
