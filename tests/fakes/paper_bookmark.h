// A bookmark's file that a test keeps: it outlives its readers, can be damaged,
// and can be full.

#ifndef WARMFS_TESTS_FAKES_PAPER_BOOKMARK_H_
#define WARMFS_TESTS_FAKES_PAPER_BOOKMARK_H_

#include <string>

#include "hostd/bookmark.h"

namespace warmfs::hostd {

class PaperBookmark final : public BookmarkFile {
 public:
  struct Paper {
    std::string text;
    bool full = false;
  };

  explicit PaperBookmark(Paper& paper) : paper_(paper) {}

  // --- BookmarkFile ---
  std::string Read() override { return paper_.text; }
  bool Write(const std::string& text) override {
    if (!paper_.full) paper_.text = text;
    return !paper_.full;
  }

 private:
  Paper& paper_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_FAKES_PAPER_BOOKMARK_H_
