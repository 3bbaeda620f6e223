// The stored form of the overlay of owner and mode, and when it applies.

#include "hostd/overlay.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

TEST(OverlayFormatTest, IsReadAsItWasWritten) {
  const OwnerMode wanted{1001, 1002, 06755}, real{0, UINT32_MAX - 1, 07777};
  const auto decoded = DecodeOverlay(EncodeOverlay(wanted, real));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->wanted, wanted);
  EXPECT_EQ(decoded->real, real);
}

TEST(OverlayFormatTest, IsPinned) {
  EXPECT_EQ(EncodeOverlay({1, 2, 0644}, {3, 4, 0755}), "1 1 2 420 3 4 493")
      << "on users' disks: a change needs another format number";
}

class OverlayGarbageTest : public testing::TestWithParam<const char*> {};

TEST_P(OverlayGarbageTest, CountsAsAbsent) {
  EXPECT_FALSE(DecodeOverlay(GetParam()).has_value()) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(
    Table, OverlayGarbageTest,
    testing::Values("", "1", "2 1 2 420 3 4 493", "1 1 2 420 3 4",
                    "1 1 2 420 3 4 ", "1 1 2 420 3 4 493 ",
                    "1 1 2 420 3 4 493 5", "1  1 2 420 3 4 493",
                    "1 -1 2 420 3 4 493", "1 4294967296 2 420 3 4 493",
                    "1 1 2 4096 3 4 493", "1 1 2 420 3 4 33188",
                    "1 1 2 x 3 4 493", "1 1,2,3,4,5,6"));

class OverlayTest : public ExportTest {
 protected:
  void SetUp() override {
    WriteHost("f", "");
    ASSERT_EQ(chmod(Host("f").c_str(), 06644), 0);
    real_ = AttrOf(Host("f"));
  }
  Attr Seen(bool enabled = true) {
    const UniqueFd fd(open(Host("f").c_str(), O_PATH | O_CLOEXEC));
    const AttrReader reader(fd.get(), Overlay(enabled, -1));
    Attr attr;
    EXPECT_EQ(reader.Read(fd.get(), &attr), 0);
    return attr;
  }
  void Put(const std::string& value) {
    ASSERT_EQ(setxattr(Host("f").c_str(), kOverlayXattr, value.data(),
                       value.size(), 0),
              0);
  }
  Attr real_;
  const OwnerMode wanted_{1001, 1002, 06640};
};

TEST_F(OverlayTest, AppliesWhileTheObjectIsAsItWas) {
  Put(EncodeOverlay(wanted_, OwnerMode::Of(real_)));
  EXPECT_EQ(OwnerMode::Of(Seen()), wanted_);
  EXPECT_TRUE(Seen().IsRegular());
  EXPECT_EQ(OwnerMode::Of(Seen(false)), OwnerMode::Of(real_));
}

TEST_F(OverlayTest, TheHostHasTheLastWord) {
  Put(EncodeOverlay(wanted_, OwnerMode::Of(real_)));
  ASSERT_EQ(chmod(Host("f").c_str(), 0600), 0);
  EXPECT_EQ(Seen().uid, real_.uid);
  EXPECT_EQ(Seen().mode, S_IFREG | 0600u);
}

TEST_F(OverlayTest, SetIdBitsThatAWriteTookAwayAreGone) {
  Put(EncodeOverlay(wanted_, OwnerMode::Of(real_)));
  ASSERT_EQ(chmod(Host("f").c_str(), 02644), 0);
  EXPECT_EQ(Seen().uid, 1001u);
  EXPECT_EQ(Seen().mode, S_IFREG | 02640u);
}

TEST_F(OverlayTest, GarbageOnDiskIsIgnored) {
  for (const std::string& value :
       {std::string("\0\0", 2), std::string(4000, '1'), std::string("1 1")}) {
    Put(value);
    EXPECT_EQ(OwnerMode::Of(Seen()), OwnerMode::Of(real_));
  }
}

}  // namespace
}  // namespace warmfs::hostd
