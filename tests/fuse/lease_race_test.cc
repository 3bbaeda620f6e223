// Answers that cross events of the host's journal, stepped by a proxy in front
// of the host.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/fuse/lease_fixture.h"

namespace warmfs::fuse {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Pair;

class LeaseRace : public LeaseTest {
 protected:
  rpc::Proxy proxy_{dir_ / "proxy", host_.endpoint()};
  rpc::RemoteOptions Held() {
    return host_.RemoteOptionsFor(proxy_.endpoint());
  }
  FileId IdOf(NodeId node) { return fs_->tree().Look(node)->attr.id; }
};

// The host has listed the directory; then a file is made, and its event comes
// before the listing does.
TEST_F(LeaseRace, AListingFromBeforeAnEventIsAskedForAgain) {
  host_.MakeDir("d");
  const NodeId dir = Find("d");
  HeldQuestion question(proxy_, Held(), [&](rpc::Channel& channel) {
    auto entry = fs_->Lookup(channel, dir, "f");
    EXPECT_TRUE(entry.ok() && entry->node != 0) << "the old listing was taken";
  });
  host_.Write("d/f", "x");
  TakeIn();
  question.Finish();
  EXPECT_EQ(question.Calls(Method::kList), 2u);
  EXPECT_THAT(Names(dir), ElementsAre("f"));
}

// The host has read the file; then it is rewritten, and the event comes first.
TEST_F(LeaseRace, AReadFromBeforeAnEventIsAskedAgain) {
  host_.Write("f", "old");
  const NodeId file = Find("f");
  HeldQuestion question(proxy_, Held(), [&](rpc::Channel& channel) {
    const auto read = fs_->Read(channel, file, 0, 100);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->ToString(), "new");
  });
  host_.Write("f", "new");
  TakeIn();
  question.Finish();
  EXPECT_EQ(Read(file), "new");
}

// Our own write is carried out and answered; before the answer arrives somebody
// on the host writes too, and that event comes in.
TEST_F(LeaseRace, AWriteWhoseReplyComesAfterANewerEventDoesNotUndoIt) {
  host_.Write("f", "start");
  const NodeId file = Find("f");
  Read(file);
  HeldQuestion question(proxy_, Held(), [&](rpc::Channel& channel) {
    EXPECT_TRUE(fs_->Write(channel, file, 0, "S", false).ok());
  });
  host_.Write("f", "host was here");
  TakeIn();
  question.Finish();
  EXPECT_EQ(GetAttr(file).size, 13u);
  EXPECT_EQ(Read(file), "host was here");
}

TEST_F(LeaseRace, ACreateWhoseReplyComesAfterItsRemovalByTheHostIsUndone) {
  Names(kRootNode);
  HeldQuestion question(proxy_, Held(), [&](rpc::Channel& channel) {
    EXPECT_TRUE(fs_->Create(channel, {geteuid(), getegid()}, kRootNode, "f",
                            S_IFREG | 0644, "", true)
                    .ok());
  });
  host_.Remove("f");
  TakeIn();
  question.Finish();
  TakeIn();
  EXPECT_EQ(Look(kRootNode, "f").node, 0u);
}

TEST_F(LeaseRace, ARenameWhoseReplyComesAfterItsRemovalByTheHostIsUndone) {
  host_.Write("f", "x");
  Find("f");
  HeldQuestion question(proxy_, Held(), [&](rpc::Channel& channel) {
    EXPECT_TRUE(fs_->Rename(channel, kRootNode, "f", kRootNode, "g", 0).ok());
  });
  host_.Remove("g");
  TakeIn();
  TakeEntries();
  question.Finish();
  EXPECT_THAT(TakeEntries(), Contains(Pair(kRootNode, "g")))
      << "the kernel has it there, and would for ever";
  EXPECT_EQ(Look(kRootNode, "g").node, 0u);
  EXPECT_EQ(Look(kRootNode, "f").node, 0u);
}

TEST_F(LeaseRace, ARenameWhoseReplyComesAfterANewerEventDoesNotUndoIt) {
  host_.Write("f", "x");
  const NodeId file = Find("f");
  HeldQuestion question(proxy_, Held(), [&](rpc::Channel& channel) {
    EXPECT_TRUE(fs_->Rename(channel, kRootNode, "f", kRootNode, "g", 0).ok());
  });
  host_.Write("g", "host was here");
  TakeIn();
  question.Finish();
  EXPECT_EQ(GetAttr(file).size, 13u);
  EXPECT_EQ(Look(kRootNode, "g").attr.size, 13u);
}

// Both links are known, the second was looked up last; then the host removes it
// and an event of the content, which looks at the file late, tells so first.
TEST_F(LeaseRace, ALinkWhoseLossIsToldBeforeItsNameIsNotTheLast) {
  host_.Write("a", "x");
  std::filesystem::create_hard_link(host_ / "a", host_ / "b");
  const NodeId file = Find("a");
  ASSERT_EQ(Find("b"), file);
  host_.Remove("b");
  const Attr one_link = channel_->GetAttr({"a", IdOf(file)}).attr;
  ASSERT_EQ(one_link.nlink, 1u);
  const Attr root = channel_->GetAttr({"", IdOf(kRootNode)}).attr;
  const Event events[] = {{.kind = EventKind::kModified, .entry = one_link},
                          {.kind = EventKind::kDeleted,
                           .dir = root.id,
                           .name = "b",
                           .dir_attr = root}};
  const auto raised = applier_->Apply(cursor_.journal_id, events);
  ASSERT_EQ(raised.size(), 2u);
  EXPECT_EQ(raised[1].object.nlink, 2u) << "or its watchers see it deleted";
  EXPECT_EQ(GetAttr(file).nlink, 1u);
  EXPECT_EQ(Read(file), "x");
}

// The same, told by the reply to a change of our own.
TEST_F(LeaseRace, ALinkWhoseLossAReplyHasToldIsNotTheLast) {
  host_.Write("a", "x");
  std::filesystem::create_hard_link(host_ / "a", host_ / "b");
  const NodeId file = Find("b");
  ASSERT_EQ(Find("a"), file);
  host_.Remove("a");
  ASSERT_TRUE(fs_->SetAttr(*channel_, file, {.mode = 0600}).ok());
  EXPECT_EQ(GetAttr(file).nlink, 1u);
  TakeIn();
  EXPECT_EQ(GetAttr(file).nlink, 1u);
  EXPECT_EQ(Read(file), "x");
}

// Nothing is known of the new file when the event comes.
TEST_F(LeaseRace, AFileThatTheHostWritesToBeforeItsReplyComesHasThatSize) {
  Names(kRootNode);
  HeldQuestion question(proxy_, Held(), [&](rpc::Channel& channel) {
    EXPECT_TRUE(fs_->Create(channel, {geteuid(), getegid()}, kRootNode, "f",
                            S_IFREG | 0644, "", true)
                    .ok());
  });
  host_.Write("f", "host was here");
  TakeIn();
  question.Finish();
  EXPECT_EQ(Look(kRootNode, "f").attr.size, 13u);
}

}  // namespace
}  // namespace warmfs::fuse
