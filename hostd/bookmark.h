// What is kept of a journal so that the next hostd goes on with it: the
// position, and the source's cursor when exactly the events up to there had
// been made (subtree_source.h).
//
// Kept as text in a file beside the tree, in one piece or not at all: a hash
// tells one that is not ours, or damaged, and then there is none.
//
// Pure, but for BookmarkFile, which belongs to one thread.

#ifndef WARMFS_HOSTD_BOOKMARK_H_
#define WARMFS_HOSTD_BOOKMARK_H_

#include <optional>
#include <string>
#include <string_view>

#include "schema/types.h"

namespace warmfs::hostd {

struct Bookmark {
  JournalPos pos;
  std::string cursor;  // without a line's end

  bool operator==(const Bookmark&) const = default;
};

std::string EncodeBookmark(const Bookmark& bookmark);
std::optional<Bookmark> DecodeBookmark(std::string_view text);

class BookmarkFile {
 public:
  virtual ~BookmarkFile() = default;
  // Empty: there is none.
  virtual std::string Read() = 0;
  // Takes the place of what was there. False: that is there still.
  virtual bool Write(const std::string& text) = 0;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_BOOKMARK_H_
