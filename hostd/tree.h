// The exported tree: finds the node that a request names, and opens it. Every
// operation of an export starts here.
//
// Thread-safe: immutable but for the recent files. Functions answer an errno, 0
// on success.

#ifndef WARMFS_HOSTD_TREE_H_
#define WARMFS_HOSTD_TREE_H_

#include <optional>
#include <string>

#include "hostd/attr.h"
#include "hostd/client_state.h"
#include "hostd/file.h"
#include "hostd/privileges.h"
#include "hostd/recent_files.h"
#include "hostd/resolve.h"
#include "schema/ops.h"

namespace warmfs::hostd {

// A node that a request named: pinned by an O_PATH descriptor.
struct Node {
  UniqueFd fd;
  Attr attr;  // when it was found
};

class Tree {
 public:
  Tree(UniqueFd root, const Privileges& privileges);

  // The node at the path if it is the one expected, else the client's orphan of
  // that identity, else ESTALE.
  int Find(const ClientState& client, const NodeRef& ref, Node* out) const;
  // ENOTDIR if it is something else.
  int FindDirectory(const ClientState& client, const NodeRef& ref,
                    Node* out) const;
  // To read its content: also of a file that was replaced or deleted just now.
  int FindToRead(const ClientState& client, const NodeRef& ref,
                 Node* out) const;
  // A directory's entry, which may be anything.
  int FindEntry(int dir, const std::string& name, Node* out) const;

  // Opens a regular file for reading or writing: EISDIR for a directory, EINVAL
  // for the rest. Falls back on a descriptor that the client has from before if
  // the file's mode is in the way.
  int OpenFile(const ClientState& client, const Node& node, Access access,
               UniqueFd* out) const;
  int OpenDirectory(const Node& node, UniqueFd* out) const;

  // Must a descriptor be kept to reach a file of this mode again?
  bool NeedsWriter(uint32_t mode) const {
    return !opens_all_ && (mode & 0600) != 0600;
  }
  // A regular file that will be read in a moment, or read on.
  void Expect(Node node) const;
  void Sweep(absl::Time now) const { recent_.Sweep(now); }

  const Jail& jail() const { return jail_; }
  const AttrReader& attrs() const { return attrs_; }

 private:
  const Jail jail_;
  const AttrReader attrs_;
  const bool opens_all_;
  mutable RecentFiles recent_;
};

// A reply that holds nothing but an error.
template <typename ReplyType>
ReplyType Failed(int error) {
  ReplyType reply;
  reply.error = error;
  return reply;
}

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_TREE_H_
