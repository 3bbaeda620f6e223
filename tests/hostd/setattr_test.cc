// Owner, mode, size, times.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

class SetAttrTest : public ExportTest {
 protected:
  ChangeReply Set(const SetAttrRequest& request) {
    return export_->SetAttr(client_, request);
  }
};

TEST_F(SetAttrTest, ManyAtOnce) {
  WriteHost("f", "0123456789");
  SetAttrRequest request;
  request.node = Ref("f");
  request.mode = 04710;
  request.size = 4;
  request.atime = TimeOrNow{false, {1000, 5}};
  request.mtime = TimeOrNow{false, {-2000, 999'999'999}};
  const ChangeReply reply = Set(request);
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.node.before.size, 10u);
  const Attr& after = reply.node.after;
  EXPECT_EQ(after.mode, S_IFREG | 04710u);
  EXPECT_EQ(after.size, 4u);
  EXPECT_EQ(after.atime, (Timestamp{1000, 5}));
  EXPECT_EQ(after.mtime, (Timestamp{-2000, 999'999'999}));
  EXPECT_EQ(ReadHost("f"), "0123");
}

TEST_F(SetAttrTest, OneTimeAloneLeavesTheOther) {
  WriteHost("f", "");
  SetAttrRequest request;
  request.node = Ref("f");
  request.atime = TimeOrNow{false, {1000, 0}};
  request.mtime = TimeOrNow{false, {2000, 0}};
  ASSERT_EQ(Set(request).error, 0);
  request.mtime = TimeOrNow{.now = true, .time = {}};
  request.atime.reset();
  const Attr after = Set(request).node.after;
  EXPECT_EQ(after.atime, (Timestamp{1000, 0}));
  EXPECT_GT(after.mtime.sec, 1'600'000'000);
}

TEST_F(SetAttrTest, TimesOfASymbolicLinkAreItsOwn) {
  WriteHost("f", "");
  MakeLink("f", "l");
  const Attr file = AttrOf(Host("f"));
  SetAttrRequest request;
  request.node = Ref("l");
  request.mtime = TimeOrNow{false, {1000, 0}};
  EXPECT_EQ(Set(request).node.after.mtime, (Timestamp{1000, 0}));
  EXPECT_EQ(AttrOf(Host("f")), file);
  request.mtime.reset();
  request.mode = 0600;
  EXPECT_EQ(Set(request).error, EOPNOTSUPP);
  EXPECT_EQ(AttrOf(Host("f")), file);
}

TEST_F(SetAttrTest, GarbageIsRefused) {
  WriteHost("f", "12");
  MakeDir("d");
  SetAttrRequest request;
  request.node = Ref("f");
  request.mtime = TimeOrNow{false, {0, 1'000'000'000}};
  EXPECT_EQ(Set(request).error, EINVAL);
  request.mtime = TimeOrNow{false, {0, UTIME_NOW}};
  EXPECT_EQ(Set(request).error, EINVAL) << "not to be smuggled in";
  request.mtime.reset();
  request.size = UINT64_MAX;
  EXPECT_EQ(Set(request).error, EFBIG);
  request.size.reset();
  request.uid = UINT32_MAX;
  EXPECT_EQ(Set(request).error, EINVAL);
  request.uid.reset();
  request.node = Ref("d");
  request.size = 0;
  EXPECT_EQ(Set(request).error, EISDIR);
  EXPECT_EQ(ReadHost("f"), "12");
}

TEST_F(SetAttrTest, TypeBitsOfAModeAreIgnored) {
  WriteHost("f", "");
  SetAttrRequest request;
  request.node = Ref("f");
  request.mode = S_IFBLK | 0640;
  EXPECT_EQ(Set(request).node.after.mode, S_IFREG | 0640u);
}

TEST_F(SetAttrTest, PrivilegedChownIsTheHostsOwn) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  WriteHost("f", "");
  SetAttrRequest request;
  request.node = Ref("f");
  request.uid = 1001;
  request.gid = 1002;
  EXPECT_EQ(Set(request).node.after.uid, 1001u);
  EXPECT_EQ(AttrOf(Host("f")).gid, 1002u);
  EXPECT_LT(getxattr(Host("f").c_str(), kOverlayXattr, nullptr, 0), 0);
}

}  // namespace
}  // namespace warmfs::hostd
