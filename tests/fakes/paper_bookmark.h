// A bookmark's file that a test keeps: it outlives its readers, can be damaged,
// and can be full.

#ifndef WARMFS_TESTS_FAKES_PAPER_BOOKMARK_H_
#define WARMFS_TESTS_FAKES_PAPER_BOOKMARK_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hostd/bookmark.h"

namespace warmfs::hostd {

class PaperBookmark final : public BookmarkFile {
 public:
  // Thread-safe.
  class Paper {
   public:
    std::string text() {
      absl::MutexLock lock(&mu_);
      return text_;
    }
    // False: it is full.
    bool Put(const std::string& text) {
      absl::MutexLock lock(&mu_);
      if (!full_) text_ = text;
      return !full_;
    }
    void Fill() {
      absl::MutexLock lock(&mu_);
      full_ = true;
    }

   private:
    absl::Mutex mu_;
    std::string text_ ABSL_GUARDED_BY(mu_);
    bool full_ ABSL_GUARDED_BY(mu_) = false;
  };

  explicit PaperBookmark(Paper& paper) : paper_(paper) {}

  // --- BookmarkFile ---
  std::string Read() override { return paper_.text(); }
  bool Write(const std::string& text) override { return paper_.Put(text); }

 private:
  Paper& paper_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_FAKES_PAPER_BOOKMARK_H_
