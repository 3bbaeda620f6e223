// The host daemon as an ordinary user: owners it may not give, and files that
// their own mode closes to it.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

class UnprivilegedTest : public ExportTest {
 protected:
  // Runs with an export that this user owns, opened as this user.
  void Run(const std::function<void()>& body) {
    ASSERT_EQ(chmod(base_.path().c_str(), 0777), 0);
    RunUnprivileged([&] {
      root_ = base_ / "own";
      ASSERT_EQ(mkdir(root_.c_str(), 0755), 0);
      export_ = Open(false);
      body();
    });
  }
  ChangeReply Chown(const NodeRef& node, uint32_t uid, uint32_t gid) {
    SetAttrRequest request;
    request.node = node;
    request.uid = uid;
    request.gid = gid;
    return export_->SetAttr(client_, request);
  }
  ChangeReply Chmod(const NodeRef& node, uint32_t mode) {
    SetAttrRequest request;
    request.node = node;
    request.mode = mode;
    return export_->SetAttr(client_, request);
  }
  Attr Seen(std::string_view path) {
    return export_->GetAttr(client_, Ref(path)).attr;
  }
};

TEST_F(UnprivilegedTest, AChownIsKept) {
  Run([&] {
    WriteHost("f", "");
    MakeDir("d");
    for (const char* path : {"f", "d"}) {
      const ChangeReply reply = Chown(Ref(path), 1001, 1002);
      ASSERT_EQ(reply.error, 0) << path;
      EXPECT_EQ(reply.node.after.uid, 1001u);
      EXPECT_EQ(reply.node.after.gid, 1002u);
      EXPECT_EQ(Seen(path).uid, 1001u);
      EXPECT_EQ(AttrOf(Host(path)).uid, geteuid()) << "on the host it is ours";
    }
    EXPECT_EQ(Open(false)->GetAttr(client_, Ref("f")).attr.uid, 1001u)
        << "by another daemon too";
  });
}

TEST_F(UnprivilegedTest, ListingsAndLookupsTellTheOverlay) {
  Run([&] {
    WriteHost("f", "");
    ASSERT_EQ(Chown(Ref("f"), 1001, 1002).error, 0);
    const ListReply list = export_->List(client_, cursors_, {Ref(""), {}});
    ASSERT_EQ(list.entries.size(), 1u);
    EXPECT_EQ(list.entries[0].attr.uid, 1001u);
    const LookupReply lookup = export_->Lookup(client_, {Ref(""), "f"});
    EXPECT_EQ(lookup.entry.gid, 1002u);
  });
}

TEST_F(UnprivilegedTest, AnOwnerOutlivesChangesOfMode) {
  Run([&] {
    WriteHost("f", "");
    ASSERT_EQ(Chown(Ref("f"), 1001, 1002).error, 0);
    for (const uint32_t mode :
         {0444u, 0555u, 0400u, 0644u, 04755u, 0u, 0600u}) {
      const ChangeReply reply = Chmod(Ref("f"), mode);
      ASSERT_EQ(reply.error, 0) << std::oct << mode;
      EXPECT_EQ(reply.node.after.uid, 1001u) << std::oct << mode;
      EXPECT_EQ(reply.node.after.mode, S_IFREG | mode);
      EXPECT_EQ(AttrOf(Host("f")).mode, S_IFREG | mode | S_IRUSR)
          << "for real, and readable to hold the owner";
    }
  });
}

TEST_F(UnprivilegedTest, AReadOnlyFileIsChownedAndStaysReadOnly) {
  Run([&] {
    ASSERT_EQ(Create("", "f", S_IFREG | 0444).error, 0);
    EXPECT_EQ(Chown(Ref("f"), 1001, 1002).node.after.uid, 1001u);
    EXPECT_EQ(AttrOf(Host("f")).mode, S_IFREG | 0444u);
  });
}

TEST_F(UnprivilegedTest, AChownBackToTheRealOwnerEndsTheOverlay) {
  Run([&] {
    WriteHost("f", "");
    ASSERT_EQ(Chown(Ref("f"), 1001, getegid()).error, 0);
    ASSERT_EQ(Chmod(Ref("f"), 0444).error, 0);
    ASSERT_EQ(Chown(Ref("f"), geteuid(), getegid()).error, 0);
    EXPECT_EQ(Seen("f").uid, geteuid());
    EXPECT_LT(getxattr(Host("f").c_str(), kOverlayXattr, nullptr, 0), 0);
  });
}

TEST_F(UnprivilegedTest, WhatCannotCarryAnOverlayIsRefused) {
  Run([&] {
    MakeLink("x", "l");
    ASSERT_EQ(mkfifo(Host("p").c_str(), 0666), 0);
    EXPECT_EQ(Chown(Ref("l"), 1001, 1002).error, EPERM);
    EXPECT_EQ(Chown(Ref("p"), 1001, 1002).error, EPERM);
  });
}

TEST_F(UnprivilegedTest, AnothersFileIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make one";
  WriteHost("../theirs", "x");
  ASSERT_EQ(chmod(Host("../theirs").c_str(), 0644), 0);
  Run([&] {
    ASSERT_EQ(rename((base_ / "theirs").c_str(), Host("theirs").c_str()), 0);
    EXPECT_EQ(Chown(Ref("theirs"), 1001, 1002).error, EPERM);
    EXPECT_EQ(Chmod(Ref("theirs"), 0600).error, EPERM);
    EXPECT_EQ(Write(Ref("theirs"), 0, "y").error, EACCES);
    EXPECT_EQ(Read(Ref("theirs")), "x");
  });
}

TEST_F(UnprivilegedTest, AnothersWritableFileGetsAnOverlaidMode) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make one";
  WriteHost("../theirs", "x");
  ASSERT_EQ(chmod(Host("../theirs").c_str(), 0666), 0);
  Run([&] {
    ASSERT_EQ(rename((base_ / "theirs").c_str(), Host("theirs").c_str()), 0);
    EXPECT_EQ(Chmod(Ref("theirs"), 0640).node.after.mode, S_IFREG | 0640u);
    EXPECT_EQ(AttrOf(Host("theirs")).mode, S_IFREG | 0666u);
  });
}

TEST_F(UnprivilegedTest, CreateNeverFailsForTheOwner) {
  Run([&] {
    for (const uint32_t mode : {S_IFREG | 0444u, S_IFREG | 04711u,
                                S_IFDIR | 0755u, S_IFIFO | 0600u}) {
      CreateRequest request;
      const std::string name = "n" + std::to_string(mode);
      request.dir = Ref("");
      request.name = name;
      request.mode = mode;
      request.uid = 1001;
      request.gid = 1002;
      const CreateReply reply = export_->Create(client_, request);
      ASSERT_EQ(reply.error, 0) << std::oct << mode;
      EXPECT_EQ(reply.entry.mode, mode) << std::oct << mode;
      EXPECT_EQ(reply.entry.uid, S_ISFIFO(mode) ? geteuid() : 1001u);
      EXPECT_EQ(AttrOf(Host(name)).mode, mode);
    }
  });
}

TEST_F(UnprivilegedTest, AFileCreatedReadOnlyIsWrittenAsGitDoes) {
  Run([&] {
    ASSERT_EQ(Create("", "f", S_IFREG | 0444).error, 0);
    const NodeRef ref = Ref("f");
    EXPECT_EQ(Write(ref, 0, "object").written, 6u);
    WriteRequest append{ref, 0, "s", true, false};
    EXPECT_EQ(export_->Write(client_, append).written, 1u);
    EXPECT_EQ(Read(ref), "objects");
    SetAttrRequest truncate;
    truncate.node = ref;
    truncate.size = 3;
    EXPECT_EQ(export_->SetAttr(client_, truncate).error, 0);
    EXPECT_EQ(export_->Allocate(client_, {ref, 0, 0, 10}).node.after.size, 10u);
    EXPECT_EQ(AttrOf(Host("f")).mode, S_IFREG | 0444u);
    ClientState other(budget_);
    EXPECT_EQ(export_->Write(other, {ref, 0, "x", false, false}).error, EACCES)
        << "for the client that made it, and no other";
    export_->Release(client_, {{ref.id}});
    EXPECT_EQ(Write(ref, 0, "x").error, EACCES);
  });
}

TEST_F(UnprivilegedTest, AFileCreatedWithNoRightsIsReadAndSynced) {
  Run([&] {
    ASSERT_EQ(Create("", "f", S_IFREG | 0).error, 0);
    const NodeRef ref = Ref("f");
    EXPECT_EQ(Write(ref, 0, "x").error, 0);
    EXPECT_EQ(Read(ref), "x");
    EXPECT_EQ(export_->Sync(client_, {ref, false}).error, 0);
    EXPECT_EQ(export_->Seek(client_, {ref, 0, true}).offset, 1u);
  });
}

TEST_F(UnprivilegedTest, AFileOpenInTheVmStaysWritableAfterChmod) {
  Run([&] {
    ASSERT_EQ(Create("", "f", S_IFREG | 0600).error, 0);
    const NodeRef ref = Ref("f");
    ASSERT_EQ(Chmod(ref, 0444).error, 0);
    EXPECT_EQ(Write(ref, 0, "x").error, 0);
    EXPECT_EQ(ReadHost("f"), "x");
  });
}

TEST_F(UnprivilegedTest, WritersAreBounded) {
  Run([&] {
    const size_t before = OpenDescriptors();
    for (int i = 0; i < 1000; ++i) {
      ASSERT_EQ(Create("", std::to_string(i), S_IFREG | 0444).error, 0);
    }
    EXPECT_EQ(OpenDescriptors() - before, ClientState::kMaxWriters);
    EXPECT_EQ(Write(Ref("0"), 0, "x").error, EACCES) << "the oldest went";
    EXPECT_EQ(Write(Ref("999"), 0, "x").error, 0);
  });
}

TEST_F(UnprivilegedTest, ADirectoryThatMayNotBeSearchedIsNotListedAsEmpty) {
  Run([&] {
    MakeDir("d");
    WriteHost("d/f", "");
    const NodeRef ref = Ref("d");
    ASSERT_EQ(chmod(Host("d").c_str(), 0400), 0);
    EXPECT_EQ(export_->List(client_, cursors_, {ref, {}}).error, EACCES);
    ASSERT_EQ(chmod(Host("d").c_str(), 0100), 0);
    EXPECT_EQ(export_->List(client_, cursors_, {ref, {}}).error, EACCES);
    ASSERT_EQ(chmod(Host("d").c_str(), 0700), 0);
  });
}

TEST_F(UnprivilegedTest, ADirectoryThatMayNotBeReadIsNotExported) {
  Run([&] {
    MakeDir("closed");
    ASSERT_EQ(chmod(Host("closed").c_str(), 0), 0);
    const auto opened =
        Export::Open({.name = "x", .directory = Host("closed")});
    EXPECT_TRUE(absl::IsPermissionDenied(opened.status())) << opened.status();
    EXPECT_THAT(std::string(opened.status().message()),
                testing::HasSubstr(Host("closed")));
  });
}

TEST_F(UnprivilegedTest, HardLinksOfSymbolicLinksNeedNoPrivilege) {
  Run([&] {
    MakeLink("../../outside", "l");
    const LinkReply reply =
        export_->Link(client_, {Ref("l"), Ref(""), "l2", false});
    EXPECT_EQ(reply.error, 0);
    EXPECT_EQ(reply.entry.id, Ref("l").id);
  });
}

}  // namespace
}  // namespace warmfs::hostd
