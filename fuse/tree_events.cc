// The tree's part in leases and in events of the host's journal.

#include "fuse/tree_nodes.h"

namespace warmfs::fuse {

void Tree::Lease(Node& dir, bool leased) {
  leases_ += (leased ? 1 : 0) - (dir.leased ? 1 : 0);
  dir.leased = leased;
  dir.kernel_keeps_names = dir.kernel_keeps_names || leased;
}

void Tree::Doubt(Node& dir) {
  dir.listing_at = 0;
  dir.doubted = true;
  Lease(dir, false);
}

bool Tree::ResumeLease(NodeId dir) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(dir);
  if (n == nullptr || n->doubted) return false;
  Lease(*n, true);
  // For all we know: the listing may have been fetched ahead.
  n->names_by_reply = true;
  return true;
}

std::vector<NodeId> Tree::VoidLeases() {
  std::vector<NodeId> leased;
  absl::MutexLock lock(&mu_);
  for (uint32_t position : index_->by_id) {
    Node& n = index_->at(position);
    // What was read under a version that could not be trusted may have changed
    // while nobody told.
    n.racy_read_at = 0;
    if (!n.kernel_keeps_names) continue;
    leased.push_back(n.id);
    n.listing_at = 0;
    n.missed_events = true;
    Lease(n, false);
  }
  return leased;
}

void Tree::Revoke(const FileId& dir) {
  absl::MutexLock lock(&mu_);
  Node* n = GetById(dir);
  if (n == nullptr) return;
  n->missed_events = n->kernel_keeps_names;
  Doubt(*n);
}

NodeId Tree::ApplyEvent(const Attr& attr, Instant at, bool stale) {
  absl::MutexLock lock(&mu_);
  Node* n = GetById(attr.id);
  if (n == nullptr) return 0;
  if (n->attr.version() != attr.version()) n->kernel_has_content = false;
  n->attr = attr;
  if (n->attr_at == 0) n->attr_at = at;
  n->changed = ++stamp_;
  n->attr_uncertain = false;
  n->told_by_event = true;
  if (stale && attr.IsRegular()) stale_(n->id);
  return n->id;
}

void Tree::Touch(NodeId node) {
  absl::MutexLock lock(&mu_);
  if (Node* n = Get(node)) n->changed = ++stamp_;
}

void Tree::NamesByEvent(NodeId dir) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(dir);
  if (n == nullptr) return;
  n->changed = ++stamp_;
  n->names_by_reply = false;
}

bool Tree::ChangedSince(NodeId node, Stamp asked) const {
  absl::ReaderMutexLock lock(&mu_);
  const Node* n = Get(node);
  return n != nullptr && n->changed > asked;
}

bool Tree::AwaitChanges(NodeId node, absl::Duration limit) const {
  absl::MutexLock lock(&mu_);
  const auto quiet = [this, node]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const Node* n = Get(node);
    return n == nullptr || n->changes_under_way == 0;
  };
  return mu_.AwaitWithTimeout(absl::Condition(&quiet), limit);
}

uint64_t Tree::leases() const {
  absl::ReaderMutexLock lock(&mu_);
  return leases_;
}

}  // namespace warmfs::fuse
