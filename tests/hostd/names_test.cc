// Remove and rename, and the orphans they leave.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

constexpr uint32_t kNoReplace = 1;
constexpr uint32_t kExchange = 2;

class NamesTest : public ExportTest {
 protected:
  RenameRequest Request(std::string_view from, std::string_view to,
                        uint32_t flags = 0) {
    RenameRequest request;
    request.from_dir = Ref("");
    request.from_name = from;
    request.to_dir = Ref("");
    request.to_name = to;
    request.flags = flags;
    return request;
  }
  RenameReply Rename(const RenameRequest& request) {
    return export_->Rename(client_, request);
  }
};

TEST_F(NamesTest, RemoveTellsWhatIsLeft) {
  WriteHost("f", "");
  ASSERT_EQ(link(Host("f").c_str(), Host("g").c_str()), 0);
  const FileId id = Ref("f").id;
  const RemoveReply first = Remove("", "f");
  ASSERT_EQ(first.error, 0);
  EXPECT_EQ(first.removed.id, id);
  EXPECT_EQ(first.removed.nlink, 1u);
  EXPECT_EQ(first.dir.after.version(), AttrOf(root_).version());
  EXPECT_EQ(Remove("", "g").removed.nlink, 0u);
  EXPECT_EQ(Remove("", "g").error, ENOENT);
}

TEST_F(NamesTest, DirectoriesAreRemovedAsSuch) {
  MakeDir("d");
  WriteHost("d/f", "");
  RemoveRequest request;
  request.dir = Ref("");
  request.name = "d";
  EXPECT_EQ(export_->Remove(client_, request).error, EISDIR);
  request.directory = true;
  EXPECT_EQ(export_->Remove(client_, request).error, ENOTEMPTY);
  ASSERT_EQ(Remove("d", "f").error, 0);
  EXPECT_EQ(export_->Remove(client_, request).error, 0);
  EXPECT_FALSE(OnHost("d"));
  WriteHost("f", "");
  request.name = "f";
  EXPECT_EQ(export_->Remove(client_, request).error, ENOTDIR);
}

TEST_F(NamesTest, ARetriedRemoveFindsTheNameGone) {
  RemoveRequest request;
  request.dir = Ref("");
  request.name = "gone";
  request.retry = true;
  const RemoveReply reply = export_->Remove(client_, request);
  EXPECT_EQ(reply.error, 0);
  EXPECT_TRUE(reply.removed.id.IsNull());
  EXPECT_EQ(reply.dir.after.id, export_->info().root);
}

TEST_F(NamesTest, AnOrphanIsReadAndWrittenUntilItIsReleased) {
  WriteHost("f", "before");
  const NodeRef orphan = Ref("f");
  ASSERT_EQ(Remove("", "f", true).error, 0);
  ASSERT_FALSE(OnHost("f"));
  EXPECT_EQ(Read(orphan), "before");
  EXPECT_EQ(Write(orphan, 0, "BE").error, 0);
  EXPECT_EQ(Read(orphan), "BEfore");
  EXPECT_EQ(export_->GetAttr(client_, orphan).attr.nlink, 0u);
  SetAttrRequest truncate;
  truncate.node = orphan;
  truncate.size = 2;
  truncate.mode = 0600;
  EXPECT_EQ(export_->SetAttr(client_, truncate).node.after.size, 2u);

  ClientState other(budget_);
  EXPECT_EQ(export_->GetAttr(other, orphan).error, ESTALE)
      << "it is its own client's";
  export_->Release(client_, {{orphan.id}});
  EXPECT_EQ(export_->GetAttr(client_, orphan).error, ESTALE);
}

TEST_F(NamesTest, AnOrphanIsFoundThoughAnotherFileHasItsName) {
  WriteHost("f", "old");
  const NodeRef orphan = Ref("f");
  ASSERT_EQ(Remove("", "f", true).error, 0);
  WriteHost("f", "new");
  EXPECT_EQ(Read(orphan), "old");
  EXPECT_EQ(Read(Ref("f")), "new");
}

TEST_F(NamesTest, NoOrphanIsKeptUnlessAsked) {
  WriteHost("f", "");
  MakeDir("d");
  const size_t before = OpenDescriptors();
  const NodeRef file = Ref("f");
  ASSERT_EQ(Remove("", "f").error, 0);
  EXPECT_EQ(export_->GetAttr(client_, file).error, ESTALE);
  RemoveRequest request;
  request.dir = Ref("");
  request.name = "d";
  request.directory = request.keep_orphan = true;
  ASSERT_EQ(export_->Remove(client_, request).error, 0);
  request.directory = false;
  request.name = "missing";
  EXPECT_EQ(export_->Remove(client_, request).error, ENOENT);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(NamesTest, AFailedRemoveKeepsNoOrphan) {
  MakeDir("d");
  WriteHost("d/f", "");
  const NodeRef dir = Ref("d");
  EXPECT_EQ(Remove("", "d", true).error, EISDIR);
  EXPECT_EQ(client_.held(), 0u);
}

TEST_F(NamesTest, RenameMoves) {
  MakeDir("d");
  WriteHost("f", "x");
  const FileId id = Ref("f").id;
  RenameRequest request = Request("f", "g");
  request.to_dir = Ref("d");
  const RenameReply reply = Rename(request);
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.moved.id, id);
  EXPECT_TRUE(reply.other.id.IsNull());
  EXPECT_FALSE(reply.unsettled);
  EXPECT_EQ(reply.from_dir.after.id, export_->info().root);
  EXPECT_EQ(reply.to_dir.after.version(), AttrOf(Host("d")).version());
  EXPECT_EQ(ReadHost("d/g"), "x");
  EXPECT_EQ(Rename(request).error, ENOENT);
}

TEST_F(NamesTest, RenameKeepsWhatItReplaced) {
  WriteHost("f", "new");
  WriteHost("g", "old");
  const NodeRef replaced = Ref("g");
  RenameRequest request = Request("f", "g");
  request.keep_orphan = true;
  const RenameReply reply = Rename(request);
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.other.id, replaced.id);
  EXPECT_EQ(reply.other.nlink, 0u);
  EXPECT_EQ(ReadHost("g"), "new");
  EXPECT_EQ(Read(replaced), "old");
  EXPECT_EQ(Write(replaced, 0, "O").error, 0);
  EXPECT_EQ(ReadHost("g"), "new");
}

TEST_F(NamesTest, ExchangeLeavesBoth) {
  WriteHost("f", "F");
  WriteHost("g", "G");
  const FileId f = Ref("f").id, g = Ref("g").id;
  RenameRequest request = Request("f", "g", kExchange);
  request.keep_orphan = true;
  request.expected = f;
  const RenameReply first = Rename(request);
  EXPECT_EQ(first.moved.id, f);
  EXPECT_EQ(first.other.id, g);
  EXPECT_FALSE(first.unsettled);
  EXPECT_EQ(ReadHost("f"), "G");
  EXPECT_EQ(client_.held(), 0u);
  request.retry = true;
  const RenameReply retry = Rename(request);
  EXPECT_EQ(retry.moved.id, f);
  EXPECT_EQ(retry.other.id, g);
  EXPECT_EQ(ReadHost("f"), "G") << "not exchanged back";
}

TEST_F(NamesTest, FlagsAreHonouredOrRefused) {
  WriteHost("f", "F");
  WriteHost("g", "G");
  EXPECT_EQ(Rename(Request("f", "g", kNoReplace)).error, EEXIST);
  EXPECT_EQ(Rename(Request("f", "none", kExchange)).error, ENOENT);
  EXPECT_EQ(Rename(Request("f", "x", kNoReplace | kExchange)).error, EINVAL);
  EXPECT_EQ(Rename(Request("f", "x", 4)).error, EINVAL) << "RENAME_WHITEOUT";
  EXPECT_EQ(Rename(Request("f", "x", kNoReplace)).error, 0);
}

TEST_F(NamesTest, ARetriedRenameFindsItsOwnEffect) {
  WriteHost("f", "F");
  RenameRequest request = Request("f", "g");
  request.expected = Ref("f").id;
  ASSERT_EQ(Rename(request).error, 0);
  request.retry = true;
  const RenameReply done = Rename(request);
  EXPECT_EQ(done.error, 0);
  EXPECT_EQ(done.moved.id, request.expected);
  EXPECT_TRUE(done.other.id.IsNull());
  WriteHost("f", "another");
  EXPECT_EQ(Rename(request).error, 0);
  EXPECT_EQ(ReadHost("g"), "F") << "another file of that name is left alone";
  request.expected = {1, 2};
  ASSERT_EQ(unlink(Host("f").c_str()), 0);
  EXPECT_EQ(Rename(request).error, ENOENT);
}

TEST_F(NamesTest, TwoLinksOfOneFileStayAndLeaveNoOrphan) {
  WriteHost("f", "");
  ASSERT_EQ(link(Host("f").c_str(), Host("g").c_str()), 0);
  RenameRequest request = Request("f", "g");
  request.keep_orphan = true;
  const RenameReply reply = Rename(request);
  EXPECT_EQ(reply.error, 0);
  EXPECT_TRUE(reply.unsettled);
  EXPECT_TRUE(reply.other.id.IsNull());
  EXPECT_TRUE(OnHost("f") && OnHost("g"));
  EXPECT_EQ(client_.held(), 0u);
}

// Somebody else puts another file at the old name again and again. What is
// answered to be at the new name, where he does nothing, is there.
TEST_F(NamesTest, WhatARenameHasMovedIsNotMistaken) {
  WriteHost("f", "");
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop) {
      WriteHost("tmp", "");
      ASSERT_EQ(rename(Host("tmp").c_str(), Host("f").c_str()), 0);
    }
  });
  int settled = 0, unsettled = 0;
  while (settled < 200 || unsettled == 0) {
    const RenameReply reply = Rename(Request("f", "g"));
    if (reply.error == ENOENT) continue;
    ASSERT_EQ(reply.error, 0);
    ++(reply.unsettled ? unsettled : settled);
    if (reply.unsettled) continue;
    EXPECT_EQ(reply.moved.id, Ref("g").id);
  }
  stop = true;
  other.join();
}

TEST_F(NamesTest, ADirectoryDoesNotGoIntoItself) {
  MakeDir("d");
  MakeDir("d/e");
  RenameRequest request = Request("d", "d");
  request.to_dir = Ref("d/e");
  EXPECT_EQ(Rename(request).error, EINVAL);
}

TEST_F(NamesTest, AReadOnlyExportRefusesEveryChange) {
  WriteHost("f", "x");
  MakeDir("d");
  const std::unique_ptr<Export> ro = Open(true);
  CreateRequest create;
  create.dir = Ref("");
  create.name = "new";
  create.mode = S_IFREG | 0644;
  SetAttrRequest set;
  set.node = Ref("f");
  RemoveRequest remove;
  remove.dir = Ref("");
  remove.name = "f";
  WriteRequest write;
  write.node = Ref("f");
  write.data = "y";
  EXPECT_EQ(ro->Create(client_, create).error, EROFS);
  EXPECT_EQ(ro->SetAttr(client_, set).error, EROFS);
  EXPECT_EQ(ro->Remove(client_, remove).error, EROFS);
  EXPECT_EQ(ro->Rename(client_, Request("f", "g")).error, EROFS);
  EXPECT_EQ(ro->Write(client_, write).error, EROFS);
  EXPECT_EQ(ro->Link(client_, {Ref("f"), Ref(""), "g", false}).error, EROFS);
  EXPECT_EQ(ro->Allocate(client_, {Ref("f"), 0, 0, 9}).error, EROFS);
  EXPECT_EQ(ro->Copy(client_, {Ref("f"), 0, Ref("f"), 5, 1}).error, EROFS);
  EXPECT_EQ(ro->SetXattr(client_, {Ref("f"), "user.a", "v", 0}).error, EROFS);
  EXPECT_EQ(ReadHost("f"), "x");
  EXPECT_EQ(ro->GetAttr(client_, Ref("f")).error, 0);
}

}  // namespace
}  // namespace warmfs::hostd
