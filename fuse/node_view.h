// What the tree tells of a node, in values of its own (fuse/tree.h).

#ifndef WARMFS_FUSE_NODE_VIEW_H_
#define WARMFS_FUSE_NODE_VIEW_H_

#include <cstdint>
#include <string>

#include "fuse/clock.h"
#include "schema/ops.h"
#include "schema/types.h"

namespace warmfs::fuse {

// The kernel's name for a node (FUSE's nodeid).
using NodeId = uint64_t;
inline constexpr NodeId kRootNode = 1;

// Orders questions and changes (fuse/tree.h).
using Stamp = uint64_t;

// What an update of attributes means for the pages that the kernel holds.
enum class PageEffect { kNone, kInvalidate };

// What the kernel was told of a file.
struct Told {
  static constexpr uint64_t kNothing = UINT64_MAX;
  // How long it takes the file to be, at most (fuse/early_end.h), and at least
  // (fuse/growth.h).
  uint64_t at_most = kNothing;
  uint64_t at_least = kNothing;
  // Stands for the version of all that it was told last, attributes or content
  // (MarkOf); 0: of more than one.
  uint64_t version = 0;
  // When it was told last to drop pages, and to drop anything.
  Instant pages_dropped_at = 0;
  Instant dropped_at = 0;

  bool operator==(const Told&) const = default;
};
uint64_t MarkOf(const Version& version);

// A copy of what is known of a node.
struct NodeView {
  NodeId node = 0;
  Attr attr;
  NodeRef ref;  // path as known now; empty for the root and placeless nodes
  NodeId parent = 0;
  FileId parent_id;
  std::string name;
  bool placeless = false;
  bool orphan = false;           // removed by us, kept by the host
  Instant attr_fresh_at = 0;     // attributes were true then; 0: uncertain
  Instant listing_at = 0;        // of a directory: entries were true then
  uint32_t listing_entries = 0;  // how many the last listing had
  // When content, or a listing, was last fetched under racy attributes; 0 once
  // it has been fetched under others.
  Instant racy_read_at = 0;
  bool leased = false;  // of a directory: listing_at is kForever
  // The kernel may hold names of this directory without a time limit.
  bool kernel_keeps_names = false;
  bool doubted = false;        // listed again before a lease counts
  bool missed_events = false;  // differences of the next listing are raised
  bool told_by_event = false;  // the attributes are from the journal
  // Of a directory: its names were last told by a reply, not by the journal.
  bool names_by_reply = false;
  // Of a file: the kernel was given all of this version's content.
  bool kernel_has_content = false;
  // A change of our own is under way, or was made.
  bool changed_by_us = false;
};

// The little of it that many nodes are asked for at a time.
struct Glance {
  Attr attr;
  bool leased = false;
  bool kernel_has_content = false;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_NODE_VIEW_H_
