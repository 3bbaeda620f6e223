// Makes the kernel take in that a file is longer.
//
// An answer with the new size does not do that by itself. One to a question
// that is older than the last drop of the inode's pages is shown to who asked,
// and otherwise left alone (fuse_change_attributes in fs/fuse/inode.c): a
// program that maps the file by that size gets SIGBUS for what is new. So
// whoever drops the pages of a file that has grown does this next, unless it
// was done for that size (Told::at_least). No answer tells it before. If one
// did, and the kernel took that in, the program that asked would cut the pages
// down to that size whenever it runs next (early_end.h), even if the file is
// longer still by then.
//
// By a FUSE_NOTIFY_STORE of one byte at the new end, which makes the file
// longer before it copies anything (fuse_notify_store in fs/fuse/dev.c; read in
// Linux 5, tried on 6.18). The byte lies where nothing can be read, so no page
// gets any content. If a kernel should copy first, this does nothing, and the
// size comes with answers, as it would without.
//
// A READ that ends before that is early from now on (early_end.h). One that is
// being answered may bring one more page that ends in zeros: that is awaited,
// and dropped. What is read until the file is longer does not make it shorter
// any more: so all is dropped once more afterwards.
//
// What is left: a program that waited for the page at the old end, and has not
// run since it came, goes on with that page though it is dropped, and takes it
// to be as long as the file is when it runs (filemap_read). That takes less
// time than all of this unless the processors are busy.

#ifndef WARMFS_FUSE_GROWTH_H_
#define WARMFS_FUSE_GROWTH_H_

#include <cstdint>

#include "fuse/node_view.h"

namespace warmfs::fuse {

// Waits while a request has locked the page at the new end. `device`: of
// /dev/fuse.
void MakeLonger(int device, NodeId node, uint64_t bytes);

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_GROWTH_H_
