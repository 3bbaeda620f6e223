// FileId's text, and what the small values of the vocabulary say of themselves.

#include "schema/types.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "absl/hash/hash_testing.h"

namespace warmfs {
namespace {

TEST(FileIdTest, TextIsThirtyTwoLowerCaseDigits) {
  EXPECT_EQ((FileId{0, 0}).ToString(), "00000000000000000000000000000000");
  EXPECT_EQ((FileId{1, 2}).ToString(), "00000000000000010000000000000002");
  EXPECT_EQ((FileId{0xABCDEF0123456789, 0xFEDCBA9876543210}).ToString(),
            "abcdef0123456789fedcba9876543210");
  EXPECT_EQ((FileId{~uint64_t{0}, ~uint64_t{0}}).ToString(),
            std::string(32, 'f'));
}

TEST(FileIdTest, OnlyTheZeroValueIsNull) {
  EXPECT_TRUE((FileId{}).IsNull());
  EXPECT_FALSE((FileId{1, 0}).IsNull());
  EXPECT_FALSE((FileId{0, 1}).IsNull());
}

TEST(FileIdTest, OrderAndHashAgreeWithEquality) {
  EXPECT_LT((FileId{1, 9}), (FileId{2, 0}));
  EXPECT_LT((FileId{1, 1}), (FileId{1, 2}));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {FileId{}, FileId{1, 0}, FileId{0, 1}, FileId{1, 1}}));
}

TEST(AttrTest, TypesAreToldByTheModeAlone) {
  Attr attr;
  attr.mode = S_IFDIR | 07777;
  EXPECT_TRUE(attr.IsDirectory() && !attr.IsRegular() && !attr.IsSymlink());
  attr.mode = S_IFREG | 0644;
  EXPECT_TRUE(!attr.IsDirectory() && attr.IsRegular() && !attr.IsSymlink());
  attr.mode = S_IFLNK | 0777;
  EXPECT_TRUE(!attr.IsDirectory() && !attr.IsRegular() && attr.IsSymlink());
  // These share bits with the ones above.
  for (const uint32_t mode : {S_IFSOCK, S_IFBLK, S_IFCHR, S_IFIFO}) {
    attr.mode = mode;
    EXPECT_FALSE(attr.IsDirectory() || attr.IsRegular() || attr.IsSymlink());
  }
}

TEST(AttrTest, TheVersionIsIdSizeAndTheTwoTimesOfChange) {
  const Attr base;
  const auto same_version = [&](void (*change)(Attr&)) {
    Attr other = base;
    change(other);
    return other.version() == base.version();
  };
  EXPECT_FALSE(same_version([](Attr& a) { a.id.lo = 1; }));
  EXPECT_FALSE(same_version([](Attr& a) { a.size = 1; }));
  EXPECT_FALSE(same_version([](Attr& a) { a.mtime.nsec = 1; }));
  EXPECT_FALSE(same_version([](Attr& a) { a.ctime.nsec = 1; }));
  EXPECT_TRUE(same_version([](Attr& a) { a.atime.sec = 1; }));
  EXPECT_TRUE(same_version([](Attr& a) { a.racy = true; }));
}

}  // namespace
}  // namespace warmfs
