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
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr) return;
  n->told.bytes = bytes;
  n->told.version = version;
}

void Tree::NoteShorter(NodeId node, uint64_t bytes, const Told& since) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr || n->told.bytes != since.bytes ||
      n->told.version != since.version) {
    return;
  }
  n->told.bytes = bytes;
}

void Tree::NoteDropped(NodeId node, Instant at, bool pages) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr) return;
  n->told.dropped_at = at;
  if (pages) n->told.pages_dropped_at = at;
}

void Tree::NoteGrown(NodeId node, uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr || n->told.bytes >= bytes) return;
  n->told.bytes = bytes;
  n->told.version = 0;
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
