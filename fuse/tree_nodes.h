// What Tree is made of, for the sources that define its functions: tree.cc and
// tree_events.cc.

#ifndef WARMFS_FUSE_TREE_NODES_H_
#define WARMFS_FUSE_TREE_NODES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "fuse/tree.h"

namespace warmfs::fuse {

struct Tree::Node {
  Attr attr;
  std::string name;
  NodeId id = 0;
  NodeId parent = 0;  // 0: placeless, or the root
  uint64_t lookups = 0;
  Told told;
  Stamp changed = 0;
  Instant attr_at = 0;
  Instant listing_at = 0;
  Instant relisted_at = 0;
  Instant racy_read_at = 0;
  uint32_t children = 0;
  uint32_t listing_entries = 0;
  uint16_t changes_under_way = 0;
  bool used = false;
  bool orphan = false;
  bool attr_uncertain = false;
  bool leased = false;
  bool kernel_keeps_names = false;
  bool doubted = false;
  bool missed_events = false;
  bool told_by_event = false;
  bool names_by_reply = false;
  bool kernel_has_content = false;
  bool changed_by_us = false;
};

// Nodes live in chunks that never move; a NodeId is a position in them plus 1,
// used again once its node is gone (the kernel has forgotten it then). The hash
// set holds positions only and finds by the FileId in the node.
struct Tree::Index {
  struct Hash {
    using is_transparent = void;
    const Index* index;
    size_t operator()(uint32_t position) const {
      return absl::HashOf(index->at(position).attr.id);
    }
    size_t operator()(const FileId& id) const { return absl::HashOf(id); }
  };
  struct Eq {
    using is_transparent = void;
    const Index* index;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t a, const FileId& b) const {
      return index->at(a).attr.id == b;
    }
    bool operator()(const FileId& a, uint32_t b) const {
      return index->at(b).attr.id == a;
    }
  };

  static constexpr size_t kChunkNodes = 1024;

  Index() : by_id(0, Hash{this}, Eq{this}) {}

  Node& at(uint32_t position) const {
    return chunks[position / kChunkNodes][position % kChunkNodes];
  }

  uint32_t Allocate() {
    if (!free.empty()) {
      const uint32_t position = free.back();
      free.pop_back();
      return position;
    }
    if (next == chunks.size() * kChunkNodes) {
      chunks.push_back(std::make_unique<Node[]>(kChunkNodes));
    }
    return next++;
  }

  std::vector<std::unique_ptr<Node[]>> chunks;
  std::vector<uint32_t> free;
  uint32_t next = 0;
  absl::flat_hash_set<uint32_t, Hash, Eq> by_id;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_TREE_NODES_H_
