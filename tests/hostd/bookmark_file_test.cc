// The bookmark of an export's journal in hostd's own folder. Runs as a Windows
// program.

#include "hostd/win32/bookmark_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "hostd/resolve.h"
#include "tests/hostd/scratch_directory.h"

namespace warmfs::hostd {
namespace {

class BookmarkFileTest : public testing::Test {
 protected:
  const ScratchDirectory scratch_;
  const UniqueFd root_ = *OpenExportRoot(scratch_.path().string());
};

TEST_F(BookmarkFileTest, TheLastOneIsThereForTheNextHostd) {
  {
    const auto file = OpenBookmarkFile(root_.get());
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(file->Read(), "");
    EXPECT_TRUE(file->Write("a long one, of which nothing is left"));
    EXPECT_TRUE(file->Write("another"));
  }
  const auto file = OpenBookmarkFile(root_.get());
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->Read(), "another");
  EXPECT_TRUE(file->Write("the third"));
  EXPECT_EQ(file->Read(), "the third");
}

TEST_F(BookmarkFileTest, OneHostdHasItAtATime) {
  const auto file = OpenBookmarkFile(root_.get());
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(OpenBookmarkFile(root_.get()), nullptr);
}

// What was begun by one that was killed is not in the next one's way.
TEST_F(BookmarkFileTest, HalfAWriteIsNotReadAndNotInTheWay) {
  { ASSERT_TRUE(OpenBookmarkFile(root_.get())->Write("whole")); }
  std::ofstream(scratch_.path() / ".warmfs-host" / "journal.new")
      << "half of it";
  const auto file = OpenBookmarkFile(root_.get());
  EXPECT_EQ(file->Read(), "whole");
  EXPECT_TRUE(file->Write("next"));
  EXPECT_EQ(file->Read(), "next");
}

}  // namespace
}  // namespace warmfs::hostd
