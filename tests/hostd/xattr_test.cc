// Extended attributes: which travel, and which are the host's own.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

class XattrTest : public ExportTest {
 protected:
  int Set(std::string_view name, std::optional<std::string_view> value,
          int flags = 0) {
    return export_->SetXattr(client_, {Ref("f"), name, value, flags}).error;
  }
  GetXattrReply Get(std::string_view name) {
    return export_->GetXattr(client_, {Ref("f"), name});
  }
  void SetUp() override { WriteHost("f", ""); }
};

TEST_F(XattrTest, UserAttributesTravel) {
  const std::string value("with\0nul", 8);
  ASSERT_EQ(Set("user.a", value), 0);
  EXPECT_EQ(Get("user.a").value, value);
  EXPECT_EQ(Get("").value, std::string("user.a\0", 7));
  EXPECT_EQ(Set("user.a", "x", XATTR_CREATE), EEXIST);
  EXPECT_EQ(Set("user.b", "x", XATTR_REPLACE), ENODATA);
  ASSERT_EQ(Set("user.a", {}), 0);
  EXPECT_EQ(Get("user.a").error, ENODATA);
  EXPECT_EQ(Get("").value, "");
}

TEST_F(XattrTest, OtherNamespacesDoNot) {
  EXPECT_EQ(Get("security.capability").error, ENODATA);
  for (const char* name :
       {"trusted.x", "system.posix_acl_access", "x", "user"}) {
    EXPECT_EQ(Get(name).error, EOPNOTSUPP) << name;
    EXPECT_EQ(Set(name, "v"), EOPNOTSUPP) << name;
  }
  EXPECT_EQ(Set("security.capability", "v"), EOPNOTSUPP);
}

TEST_F(XattrTest, TheHostsOwnAreHidden) {
  ASSERT_EQ(setxattr(Host("f").c_str(), kOverlayXattr, "x", 1, 0), 0);
  EXPECT_EQ(Get("").value, "");
  EXPECT_EQ(Get(kOverlayXattr).error, ENODATA);
  EXPECT_EQ(Set(kOverlayXattr, "forged"), EPERM);
  EXPECT_EQ(Set("user.warmfs.else", "forged"), EPERM);
  EXPECT_EQ(Set(kOverlayXattr, {}), ENODATA);
  EXPECT_EQ(getxattr(Host("f").c_str(), kOverlayXattr, nullptr, 0), 1);
}

TEST_F(XattrTest, GarbageIsRefused) {
  EXPECT_EQ(Set("user.", "v"), EINVAL);
  EXPECT_EQ(Set(std::string_view("user.a\0b", 8), "v"), EINVAL);
  EXPECT_EQ(Set("user." + std::string(251, 'n'), "v"), ERANGE);
  EXPECT_EQ(Set("user.a", std::string(kMaxXattrBytes + 1, 'v')), E2BIG);
  EXPECT_EQ(Set("user.a", "v", 4), EINVAL);
  EXPECT_EQ(Get("").value, "");
}

TEST_F(XattrTest, LinksAndFifosCarryNone) {
  MakeLink("f", "l");
  ASSERT_EQ(mkfifo(Host("p").c_str(), 0666), 0);
  ASSERT_EQ(Set("user.a", "of the file"), 0);
  for (const char* path : {"l", "p"}) {
    EXPECT_EQ(export_->GetXattr(client_, {Ref(path), "user.a"}).error, ENODATA);
    EXPECT_EQ(export_->GetXattr(client_, {Ref(path), ""}).value, "");
    EXPECT_EQ(export_->SetXattr(client_, {Ref(path), "user.a", "v", 0}).error,
              EPERM);
  }
  EXPECT_EQ(Get("user.a").value, "of the file");
}

}  // namespace
}  // namespace warmfs::hostd
