// The bookmark of an export's journal in hostd's own folder. Runs as a Windows
// program.

#include "hostd/win32/bookmark_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "hostd/resolve.h"

namespace warmfs::hostd {
namespace {

namespace fs = std::filesystem;

class BookmarkFileTest : public testing::Test {
 protected:
  BookmarkFileTest() {
    std::random_device random;
    directory_ = fs::temp_directory_path() /
                 ("warmfs-bookmark-" + std::to_string(random()));
    fs::create_directories(directory_);
    root_ = *OpenExportRoot(directory_.string());
  }
  ~BookmarkFileTest() override {
    root_.Reset();
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }

  fs::path directory_;
  UniqueFd root_;
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
  std::ofstream(directory_ / ".warmfs-host" / "journal.new") << "half of it";
  const auto file = OpenBookmarkFile(root_.get());
  EXPECT_EQ(file->Read(), "whole");
  EXPECT_TRUE(file->Write("next"));
  EXPECT_EQ(file->Read(), "next");
}

}  // namespace
}  // namespace warmfs::hostd
