// A directory being listed: reads it page by page, with each entry's attributes
// and link target, and sums up the digest. Holds one page's worth of nothing:
// only the open directory and where it has come to.
//
// Entries that vanish meanwhile are left out, as if they had never been there.
// Entries that cannot be read for another reason (a broken mount) are left out
// too, and the listing then says that it is not consistent.
//
// Thread-compatible. Functions answer an errno, 0 on success. The tree outlives
// its listings.

#ifndef WARMFS_HOSTD_LISTING_H_
#define WARMFS_HOSTD_LISTING_H_

#include <memory>
#include <string>

#include "hostd/dir_reader.h"
#include "hostd/tree.h"
#include "hostd/watcher.h"
#include "schema/ops.h"

namespace warmfs::hostd {

class Listing {
 public:
  // Of names and targets in one page, about.
  static constexpr size_t kMaxPageBytes = 1024 * 1024;

  // `watcher`: of a leased directory, null otherwise. It outlives the listing.
  static int Open(const Tree& tree, const Node& dir, Watcher* watcher,
                  std::unique_ptr<Listing>* out);

  // Fills in `dir` and the entries, and on the last page `digest` and
  // `consistent`.
  int ReadPage(ListReply* reply);
  // Reads the rest, keeping no entries; fills in the same but for them.
  int Skim(ListReply* reply);
  // From the first entry again.
  int Restart();

  bool done() const { return done_; }
  // The directory is, and all entries so far could be watched as they need it.
  bool leased() const { return watcher_ != nullptr && covered_; }
  const Tree* tree() const { return &tree_; }

 private:
  Listing(const Tree& tree, const Attr& dir, Watcher* watcher, UniqueFd fd)
      : tree_(tree), watcher_(watcher), dir_(dir), reader_(std::move(fd)) {}

  // The next entry; an empty name at the end.
  int Next(DirEntry* entry);
  // ENOENT if it is gone.
  int Describe(DirEntry* entry);
  int ReadAttr(DirEntry* entry);
  int Finish(ListReply* reply);

  const Tree& tree_;
  Watcher* const watcher_;
  Attr dir_;  // before the first entry was read
  DirReader reader_;
  UniqueFd pin_;  // of the entry that was read last
  Digest digest_;
  bool racy_ = false;
  bool incomplete_ = false;
  bool covered_ = true;
  bool done_ = false;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_LISTING_H_
