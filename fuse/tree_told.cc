// What the kernel was told of files.

#include <algorithm>

#include "absl/hash/hash.h"
#include "fuse/tree_nodes.h"

namespace warmfs::fuse {

uint64_t MarkOf(const Version& v) {
  const uint64_t mark = absl::HashOf(v.id, v.size, v.mtime.sec, v.mtime.nsec,
                                     v.ctime.sec, v.ctime.nsec);
  return std::max<uint64_t>(mark, 1);
}

void Tree::NoteTold(NodeId node, uint64_t bytes, uint64_t version) {
  while (!NoteTold(node, bytes, version, told(node))) {
  }
}

bool Tree::NoteTold(NodeId node, uint64_t bytes, uint64_t version,
                    const Told& since) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr) return true;
  if (n->told.at_most != since.at_most || n->told.version != since.version) {
    return false;
  }
  n->told.at_most = bytes;
  n->told.at_least = std::min(n->told.at_least, bytes);
  n->told.version = version;
  return true;
}

void Tree::NoteMayBeShorter(NodeId node, uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n != nullptr) n->told.at_least = std::min(n->told.at_least, bytes);
}

void Tree::NoteDropped(NodeId node, Instant at, bool pages) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr) return;
  n->told.dropped_at = at;
  if (pages) n->told.pages_dropped_at = at;
}

void Tree::NoteMayBeLonger(NodeId node, uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr || n->told.at_most >= bytes) return;
  n->told.at_most = bytes;
  n->told.version = 0;
}

void Tree::NoteLonger(NodeId node, uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr) return;
  // What it was told since, it was told of the file as it is known to be now.
  bytes = std::min(bytes, n->attr.size);
  n->told.at_least = std::max(n->told.at_least, bytes);
}

Told Tree::told(NodeId node) const {
  absl::ReaderMutexLock lock(&mu_);
  const Node* n = Get(node);
  return n == nullptr ? Told() : n->told;
}

void Tree::NoteRead(NodeId node, const Version& version, bool whole) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr) return;
  const bool newest = n->attr.version() == version;
  n->told.version = newest ? MarkOf(version) : 0;
  if (whole) NoteKernelHas(*n, version);
}

}  // namespace warmfs::fuse
