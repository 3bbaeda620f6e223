// Identity, racy, attributes.

#include "hostd/attr.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

struct RacyCase {
  Timestamp ctime;
  Timestamp now;
  bool racy;
};

class RacyTest : public testing::TestWithParam<RacyCase> {};

TEST_P(RacyTest, IsRacyWhileAnotherChangeCouldLeaveNoTrace) {
  const RacyCase& c = GetParam();
  EXPECT_EQ(IsRacy(c.ctime, c.now), c.racy);
}

INSTANTIATE_TEST_SUITE_P(
    Table, RacyTest,
    testing::Values(RacyCase{{100, 5}, {100, 5}, true},
                    RacyCase{{100, 5}, {100, 20'000'004}, true},
                    RacyCase{{100, 5}, {100, 20'000'005}, false},
                    RacyCase{{99, 990'000'000}, {100, 9'999'999}, true},
                    RacyCase{{99, 990'000'000}, {100, 10'000'000}, false},
                    RacyCase{{100, 0}, {101, 999'999'999}, true},
                    RacyCase{{100, 0}, {102, 0}, false},
                    RacyCase{{200, 1}, {100, 0}, true},
                    RacyCase{{INT64_MAX, 1}, {100, 0}, true},
                    RacyCase{{INT64_MIN, 0}, {100, 0}, false}));

class AttrTest : public ExportTest {};

TEST_F(AttrTest, IdentityFollowsARenameAndIsNotReused) {
  WriteHost("a", "x");
  const Attr first = AttrOf(Host("a"));
  ASSERT_EQ(rename(Host("a").c_str(), Host("b").c_str()), 0);
  EXPECT_EQ(AttrOf(Host("b")).id, first.id);
  for (int i = 0; i < 50; ++i) {
    // File systems like to give the inode out again at once.
    ASSERT_EQ(unlink(Host("b").c_str()), 0);
    WriteHost("b", "x");
    ASSERT_NE(AttrOf(Host("b")).id, first.id);
  }
}

// Looked at after it has lost its name, a file's birth may share its tick with
// that of the next one of its inode number.
TEST_F(AttrTest, IdentityIsNotReusedWithinATick) {
  const std::string path = Host("a");
  const UniqueFd root(open(root_.c_str(), O_PATH | O_CLOEXEC));
  const AttrReader attrs(root.get(), Overlay(false, -1));
  for (int i = 0; i < 1'000; ++i) {
    Attr first, second;
    {
      const UniqueFd fd(open(path.c_str(), O_CREAT | O_CLOEXEC, 0600));
      ASSERT_EQ(unlink(path.c_str()), 0);
      ASSERT_EQ(attrs.Read(fd.get(), &first), 0);
    }
    const UniqueFd fd(open(path.c_str(), O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(attrs.Read(fd.get(), &second), 0);
    ASSERT_NE(first.id, second.id) << "the " << i << "th";
    ASSERT_EQ(unlink(path.c_str()), 0);
  }
}

TEST_F(AttrTest, AFreshFileIsRacyAndThenNot) {
  WriteHost("a", "x");
  const Attr fresh = AttrOf(Host("a"));
  EXPECT_TRUE(fresh.racy);
  const Attr settled = Settle("a");
  EXPECT_FALSE(settled.racy);
  EXPECT_EQ(settled.version(), fresh.version());
}

TEST_F(AttrTest, AttributesAreThoseOfStat) {
  WriteHost("a", "twelve bytes");
  ASSERT_EQ(chmod(Host("a").c_str(), 04751), 0);
  ASSERT_EQ(link(Host("a").c_str(), Host("b").c_str()), 0);
  struct stat st {};
  ASSERT_EQ(stat(Host("a").c_str(), &st), 0);
  const AttrReply reply = export_->GetAttr(client_, Ref("a"));
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.attr.mode, st.st_mode);
  EXPECT_EQ(reply.attr.ino, st.st_ino);
  EXPECT_EQ(reply.attr.nlink, 2u);
  EXPECT_EQ(reply.attr.size, 12u);
  EXPECT_EQ(reply.attr.uid, st.st_uid);
  EXPECT_EQ(reply.attr.mtime.sec, st.st_mtim.tv_sec);
  EXPECT_EQ(reply.attr.mtime.nsec, st.st_mtim.tv_nsec);
  EXPECT_EQ(reply.attr.blocks_512, static_cast<uint64_t>(st.st_blocks));
}

TEST_F(AttrTest, InodeNumbersOfAnotherFileSystemAreOutOfTheWay) {
  // /proc is a file system of its own everywhere.
  const UniqueFd root(open("/", O_PATH | O_CLOEXEC));
  const AttrReader reader(root.get(), Overlay(false, -1));
  Attr proc, again;
  ASSERT_EQ(reader.ReadEntry(root.get(), "proc", &proc), 0);
  EXPECT_TRUE(proc.ino >> 63);
  const UniqueFd fd(open("/proc", O_PATH | O_CLOEXEC));
  ASSERT_EQ(reader.Read(fd.get(), &again), 0);
  EXPECT_EQ(again.id, proc.id);
  EXPECT_EQ(again.ino, proc.ino);
}

TEST_F(AttrTest, LookupTellsEntryTargetAndDirectory) {
  MakeLink("any/where", "link");
  LookupRequest request;
  request.dir = Ref("");
  request.name = "link";
  LookupReply reply = export_->Lookup(client_, request);
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.entry.id, Ref("link").id);
  EXPECT_EQ(reply.target, "any/where");
  EXPECT_EQ(reply.dir.id, export_->info().root);

  request.name = "none";
  reply = export_->Lookup(client_, request);
  EXPECT_EQ(reply.error, ENOENT);
  EXPECT_EQ(reply.dir.id, export_->info().root) << "valid with ENOENT";
}

TEST_F(AttrTest, ReadLinkIsForLinksOnly) {
  MakeLink("../outside", "link");
  WriteHost("file", "");
  EXPECT_EQ(export_->ReadLink(client_, Ref("link")).target, "../outside");
  EXPECT_EQ(export_->ReadLink(client_, Ref("file")).error, EINVAL);
}

TEST_F(AttrTest, AnotherObjectAtThePathIsStale) {
  WriteHost("a", "1");
  const NodeRef old = Ref("a");
  WriteHost("b", "2");
  ASSERT_EQ(rename(Host("b").c_str(), Host("a").c_str()), 0);
  EXPECT_EQ(export_->GetAttr(client_, old).error, ESTALE);
  EXPECT_EQ(export_->GetAttr(client_, Ref("a")).error, 0);
}

TEST_F(AttrTest, PathsOverPathMaxAreWalkedInPieces) {
  const std::string name(200, 'd');
  std::string path;
  UniqueFd dir(open(root_.c_str(), O_PATH | O_CLOEXEC));
  for (int i = 0; i < 60; ++i) {  // 12,060 bytes: three times PATH_MAX
    ASSERT_EQ(mkdirat(dir.get(), name.c_str(), 0755), 0);
    dir = UniqueFd(openat(dir.get(), name.c_str(), O_PATH | O_CLOEXEC));
    path += (path.empty() ? "" : "/") + name;
  }
  Attr deep;
  const AttrReader reader(dir.get(), Overlay(false, -1));
  ASSERT_EQ(reader.Read(dir.get(), &deep), 0);
  EXPECT_EQ(export_->GetAttr(client_, {path, deep.id}).error, 0);
}

TEST_F(AttrTest, StatFsTellsOfTheFileSystem) {
  const StatFsReply reply = export_->StatFs(client_, Ref(""));
  ASSERT_EQ(reply.error, 0);
  EXPECT_GT(reply.blocks, 0u);
  EXPECT_GT(reply.block_bytes, 0u);
  EXPECT_EQ(reply.name_max, 255u);
}

TEST_F(AttrTest, OpenNamesThePathThatCannotBeExported) {
  const auto missing = Export::Open({.name = "x", .directory = "/no/such/dir"});
  EXPECT_TRUE(absl::IsNotFound(missing.status())) << missing.status();
  EXPECT_THAT(std::string(missing.status().message()),
              testing::HasSubstr("/no/such/dir"));
  WriteHost("file", "");
  const auto file = Export::Open({.name = "x", .directory = Host("file")});
  EXPECT_FALSE(file.ok());
}

TEST_F(AttrTest, TheIdentityOfAnExportIsThatOfItsDirectory) {
  const std::unique_ptr<Export> again = Open(true);
  EXPECT_EQ(again->info().identity, export_->info().identity);
  EXPECT_TRUE(again->info().read_only);
  EXPECT_EQ(again->info().host_uid, geteuid());
  const auto other = Export::Open({.name = "x", .directory = outside_});
  ASSERT_TRUE(other.ok());
  EXPECT_NE((*other)->info().identity, export_->info().identity);
}

}  // namespace
}  // namespace warmfs::hostd
