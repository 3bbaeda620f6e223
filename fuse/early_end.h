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
//    page, so that is known. The program's next try is told the end. If not,
//    the kernel makes the file as short as it is.
//
// Stateless beside the file system, which outlives it. Thread-safe.

#ifndef WARMFS_FUSE_EARLY_END_H_
#define WARMFS_FUSE_EARLY_END_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "fuse/file_system.h"

namespace warmfs::fuse {

class EarlyEnd {
 public:
  static constexpr size_t kPageBytes = PageDrops::kPageBytes;
  static constexpr absl::Duration kPatience = absl::Milliseconds(300);

  // A READ of [offset, offset + size) of the node.
  EarlyEnd(FileSystem& fs, NodeId node, uint64_t offset, size_t size)
      : fs_(fs), node_(node), offset_(offset), size_(size) {}

  // Would it be one, with so many bytes for an answer?
  bool Is(size_t got) const;
  // False: the cache does not have what the kernel was told of.
  bool ShowAsItWas(std::string& out) const;
  bool IsReadAhead() const { return size_ > kPageBytes; }
  uint64_t last_page() const { return (offset_ + size_ - 1) / kPageBytes; }
  // The kernel makes the file as short as this answer.
  void Accept(size_t got) const;
  // Of what has been shown.
  void DropAgain() const;

 private:
  FileSystem& fs_;
  const NodeId node_;
  const uint64_t offset_;
  const size_t size_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_EARLY_END_H_
