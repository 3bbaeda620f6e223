// READs that end sooner than the kernel expects: the host has cut the file
// short since the kernel was told its size.
//
// The kernel fills the rest of the page with zeros. It keeps them from being
// seen by making the file as long as what was read; but not if it was told to
// drop something of the inode, or learnt new attributes, since it sent the READ
// (fuse_read_update_size in fs/fuse/file.c). Then the zeros stay under the old
// size, and whoever waits for the page gets them. When a READ was sent is not
// told. So
//  - the file is shown as it was, if the cache still has that, and the kernel
//    was not told of anything newer. Its pages are dropped once more
//    afterwards;
//  - what is read ahead, which is all that is longer than a page, is refused.
//    That is harmless: a page's reader then asks for that page by itself,
//    knowing what the kernel was told meanwhile;
//  - a single page waits for the file to grow again, which is what a program
//    that rewrites it does next. If it has not after kPatience, it is refused
//    too if the kernel is being told to drop something: the drop waits for the
//    page, so that is known; and if it was told to, of other pages, since the
//    READ began. The program's next try is told the end. If not, the kernel
//    makes the file as short as it is.
//
// All this goes by the longest that the kernel may take the file to be. That it
// is shorter the kernel believes of an answer only if it was told to drop
// nothing since it asked; and then the program that asked, whenever it runs
// next, cuts the pages down to that size: it fills the rest of the last one
// with zeros (fuse_change_attributes, truncate_pagecache), even if the file has
// grown by then, and has new pages. So
//  - who asks for the attributes of a file that has just become shorter is
//    shown them, and the kernel told to drop them, before the answer: it does
//    not take them in (Entry::for_caller_only);
//  - the kernel hears of it by the call that raises the event of it, which it
//    always believes, and which ends when that is done; no newer state is told
//    meanwhile (injected_names.h);
//  - or by an answer when nothing has happened to the file for a second.
//
// Stateless beside the file system, which outlives it. Thread-safe.

#ifndef WARMFS_FUSE_EARLY_END_H_
#define WARMFS_FUSE_EARLY_END_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "fuse/file_system.h"

namespace warmfs::fuse {

class EarlyEnd {
 public:
  static constexpr size_t kPageBytes = PageDrops::kPageBytes;
  static constexpr absl::Duration kPatience = absl::Milliseconds(300);

  // A READ of [offset, offset + size) of the node, which begins now.
  EarlyEnd(FileSystem& fs, NodeId node, uint64_t offset, size_t size)
      : fs_(fs),
        node_(node),
        offset_(offset),
        size_(size),
        begun_(fs.clock_.Now()) {}

  // Would it be one, with so many bytes for an answer?
  bool Is(size_t got) const;
  // False: the cache does not have what the kernel was told of.
  bool ShowAsItWas(BlockPieces& out) const;
  bool IsReadAhead() const { return size_ > kPageBytes; }
  uint64_t last_page() const { return (offset_ + size_ - 1) / kPageBytes; }
  // The kernel was told to drop something since it began.
  bool IsCrossed() const;
  // The kernel makes the file as short as this answer.
  void Accept(size_t got) const;
  // Of what has been shown.
  void DropAgain() const;

 private:
  FileSystem& fs_;
  const NodeId node_;
  const uint64_t offset_;
  const size_t size_;
  const Instant begun_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_EARLY_END_H_
