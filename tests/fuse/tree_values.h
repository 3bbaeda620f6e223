// Plain attributes for the tests of the tree.

#ifndef WARMFS_TESTS_FUSE_TREE_VALUES_H_
#define WARMFS_TESTS_FUSE_TREE_VALUES_H_

#include <sys/stat.h>

#include <cstdint>

#include "fuse/tree.h"

namespace warmfs::fuse {

inline Attr FileAttr(uint64_t number, uint32_t generation = 1) {
  Attr a{.id = {number, number}, .ino = number, .size = generation};
  a.mode = S_IFREG | 0644;
  a.nlink = 1;
  a.mtime = a.ctime = {1000 + generation, generation};
  return a;
}

inline Attr DirAttr(uint64_t number, uint32_t generation = 1) {
  Attr a = FileAttr(number, generation);
  a.mode = S_IFDIR | 0755;
  a.nlink = 2;
  return a;
}

inline const Attr kRootAttr = DirAttr(1);

}  // namespace warmfs::fuse

#endif  // WARMFS_TESTS_FUSE_TREE_VALUES_H_
