// New names: every kind, hard links, retries.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

class CreateTest : public ExportTest {
 protected:
  CreateRequest Request(std::string_view name, uint32_t mode) {
    CreateRequest request;
    request.dir = Ref("");
    request.name = name;
    request.mode = mode;
    return request;
  }
  CreateReply Send(const CreateRequest& request) {
    return export_->Create(client_, request);
  }
  LinkReply Link(std::string_view from, std::string_view name,
                 bool retry = false) {
    return export_->Link(client_, {Ref(from), Ref(""), name, retry});
  }
};

TEST_F(CreateTest, EveryKindWithTheModeAsked) {
  for (const uint32_t mode :
       {S_IFREG | 0640u, S_IFREG | 06755u, S_IFREG | 0444u, S_IFDIR | 0777u,
        S_IFDIR | 03770u, S_IFIFO | 0622u, S_IFSOCK | 0600u}) {
    const std::string name = "n" + std::to_string(mode);
    const CreateReply reply = Send(Request(name, mode));
    ASSERT_EQ(reply.error, 0) << std::oct << mode;
    EXPECT_EQ(reply.entry.mode, mode) << std::oct << mode;
    EXPECT_FALSE(reply.existed);
    EXPECT_EQ(AttrOf(Host(name)).id, reply.entry.id);
    EXPECT_EQ(AttrOf(Host(name)).mode, mode);
  }
}

TEST_F(CreateTest, ASymbolicLinkMayPointAnywhereAndIsOnlyText) {
  CreateRequest request = Request("l", S_IFLNK | 0777);
  request.target = "../outside/secret";
  const CreateReply reply = Send(request);
  ASSERT_EQ(reply.error, 0);
  EXPECT_TRUE(reply.entry.IsSymlink());
  EXPECT_EQ(export_->ReadLink(client_, Ref("l")).target, request.target);
}

TEST_F(CreateTest, TheDirectoryIsToldBeforeAndAfter) {
  MakeDir("d");
  const Attr before = Settle("d");
  const CreateReply reply = Create("d", "f", S_IFREG | 0644);
  EXPECT_EQ(reply.dir.before.version(), before.version());
  EXPECT_EQ(reply.dir.after.version(), AttrOf(Host("d")).version());
  EXPECT_NE(reply.dir.after.mtime, before.mtime);
}

TEST_F(CreateTest, DevicesAndUnknownKindsAreRefused) {
  EXPECT_EQ(Send(Request("c", S_IFCHR | 0666)).error, EPERM);
  EXPECT_EQ(Send(Request("b", S_IFBLK | 0666)).error, EPERM);
  EXPECT_EQ(Send(Request("z", 0666)).error, EINVAL);
  EXPECT_EQ(Send(Request("z", S_IFMT | 0666)).error, EINVAL);
  EXPECT_FALSE(OnHost("c") || OnHost("b") || OnHost("z"));
}

TEST_F(CreateTest, BadTargetsAreRefused) {
  CreateRequest request = Request("l", S_IFLNK | 0777);
  EXPECT_EQ(Send(request).error, ENOENT);
  const std::string huge(70'000, 't');
  request.target = huge;
  EXPECT_EQ(Send(request).error, ENAMETOOLONG);
  request.target = std::string_view("a\0b", 3);
  EXPECT_EQ(Send(request).error, EINVAL);
}

TEST_F(CreateTest, AnExclusiveCreateFindsTheNameTaken) {
  WriteHost("f", "");
  MakeLink("nowhere", "l");
  EXPECT_EQ(Send(Request("f", S_IFREG | 0644)).error, EEXIST);
  EXPECT_EQ(Send(Request("l", S_IFREG | 0644)).error, EEXIST);
  EXPECT_FALSE(OnHost("nowhere"));
}

TEST_F(CreateTest, AFileThatIsThereIsOpenedUnchanged) {
  WriteHost("f", "content");
  MakeDir("d");
  MakeLink("f", "l");
  CreateRequest request = Request("f", S_IFREG | 0600);
  request.exclusive = false;
  const CreateReply reply = Send(request);
  ASSERT_EQ(reply.error, 0);
  EXPECT_TRUE(reply.existed);
  EXPECT_EQ(reply.entry, AttrOf(Host("f")));
  request.name = "d";
  EXPECT_EQ(Send(request).error, EISDIR);
  request.name = "l";
  EXPECT_EQ(Send(request).error, EEXIST);
  request.name = "new";
  EXPECT_FALSE(Send(request).existed);
}

TEST_F(CreateTest, ARetryFindsItsOwnEffect) {
  for (const uint32_t kind : {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO}) {
    CreateRequest request = Request("x", kind | 0600);
    request.target = "target";
    const CreateReply first = Send(request);
    ASSERT_EQ(first.error, 0);
    request.retry = true;
    const CreateReply second = Send(request);
    EXPECT_EQ(second.error, 0) << kind;
    EXPECT_EQ(second.entry.id, first.entry.id);
    ASSERT_EQ(remove(Host("x").c_str()), 0);
  }
}

TEST_F(CreateTest, ARetryDoesNotTakeAnothersObjectForItsOwn) {
  WriteHost("used", "content");
  MakeDir("dir");
  MakeLink("elsewhere", "link");
  CreateRequest request = Request("used", S_IFREG | 0600);
  request.retry = true;
  EXPECT_EQ(Send(request).error, EEXIST);
  request.name = "dir";
  EXPECT_EQ(Send(request).error, EEXIST);
  request.name = "link";
  request.mode = S_IFLNK | 0777;
  request.target = "here";
  EXPECT_EQ(Send(request).error, EEXIST);
}

TEST_F(CreateTest, PrivilegedHostGivesTheOwnerAsked) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  CreateRequest request = Request("f", S_IFREG | 06711);
  request.uid = 1001;
  request.gid = 1002;
  const CreateReply reply = Send(request);
  EXPECT_EQ(reply.entry.uid, 1001u);
  EXPECT_EQ(reply.entry.gid, 1002u);
  EXPECT_EQ(reply.entry.mode, S_IFREG | 06711u)
      << "chown takes the set-id bits";
}

TEST_F(CreateTest, ASetgidDirectoryGivesItsGroup) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  MakeDir("d");
  ASSERT_EQ(chown(Host("d").c_str(), 0, 1234), 0);
  ASSERT_EQ(chmod(Host("d").c_str(), 02775), 0);
  EXPECT_EQ(Create("d", "f", S_IFREG | 0644).entry.gid, 1234u);
}

TEST_F(CreateTest, HardLinksOfFilesLinksAndFifos) {
  WriteHost("f", "");
  MakeLink("../outside/secret", "l");
  ASSERT_EQ(mkfifo(Host("p").c_str(), 0600), 0);
  MakeDir("d");
  for (const char* from : {"f", "l", "p"}) {
    const std::string name = std::string(from) + "2";
    const LinkReply reply = Link(from, name);
    ASSERT_EQ(reply.error, 0) << from;
    EXPECT_EQ(reply.entry.id, Ref(from).id);
    EXPECT_EQ(reply.entry.nlink, 2u);
    EXPECT_EQ(Ref(name).id, Ref(from).id);
  }
  EXPECT_EQ(Link("d", "d2").error, EPERM);
  EXPECT_EQ(Link("f", "l").error, EEXIST);
}

TEST_F(CreateTest, ARetriedLinkFindsItsOwnEffect) {
  WriteHost("f", "");
  WriteHost("g", "");
  ASSERT_EQ(Link("f", "f2").error, 0);
  EXPECT_EQ(Link("f", "f2", true).entry.nlink, 2u);
  EXPECT_EQ(Link("f", "g", true).error, EEXIST);
}

}  // namespace
}  // namespace warmfs::hostd
