// A bookmark is read as it was written, or not at all.

#include "hostd/bookmark.h"

#include <gtest/gtest.h>

namespace warmfs::hostd {
namespace {

const Bookmark kBookmark{{.journal_id = UINT64_MAX, .sequence = 12}, "77 4096"};

TEST(BookmarkTest, IsReadAsItWasWritten) {
  EXPECT_EQ(DecodeBookmark(EncodeBookmark(kBookmark)), kBookmark);
}

TEST(BookmarkTest, OneThatIsDamagedIsNone) {
  const std::string text = EncodeBookmark(kBookmark);
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_EQ(DecodeBookmark(text.substr(0, i)), std::nullopt) << i;
    std::string other = text;
    other[i] ^= 1;
    EXPECT_EQ(DecodeBookmark(other), std::nullopt) << other;
  }
  EXPECT_EQ(DecodeBookmark(text + "\n"), std::nullopt);
  EXPECT_EQ(DecodeBookmark(std::string(4096, '\0')), std::nullopt);
}

}  // namespace
}  // namespace warmfs::hostd
