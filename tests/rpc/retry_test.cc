// A connection that breaks while a change is under way: whether the host has
// carried it out or not, it is done once, and the caller is told of success.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "rpc/channel.h"
#include "tests/rpc/host.h"
#include "tests/rpc/proxy.h"

namespace warmfs::rpc {
namespace {

enum class Lost { kRequest, kReply };

class RetryTest : public testing::TestWithParam<Lost> {
 protected:
  RetryTest() : proxy_(dir_ / "proxy", host_.endpoint()) {
    auto remote = Remote::Create(host_.RemoteOptionsFor(proxy_.endpoint()));
    EXPECT_TRUE(remote.ok()) << remote.status();
    remote_ = *std::move(remote);
    channel_ = std::make_unique<Channel>(*remote_);
    EXPECT_TRUE(channel_->Open().ok());
    root_ = {"", remote_->info()->root};
    // So that nothing of the opening is on its way any more.
    EXPECT_EQ(channel_->GetAttr(root_).error, 0);
  }
  ~RetryTest() override {
    EXPECT_EQ(proxy_.cuts(), 1) << "the connection was not cut";
    EXPECT_EQ(remote_->stats().reconnects, 1u);
    EXPECT_EQ(remote_->stats().failures, 0u);
  }
  void Break() {
    GetParam() == Lost::kReply ? proxy_.CutNextReply()
                               : proxy_.CutNextRequest();
  }
  NodeRef Ref(std::string_view name) {
    return {std::string(name),
            channel_->Lookup({.dir = root_, .name = name}).entry.id};
  }
  size_t Entries() {
    return channel_->List({.dir = root_, .known = {}}).entries.size();
  }
  CreateReply Create(uint32_t mode, std::string_view target = "") {
    CreateRequest request{.dir = root_, .name = "new", .mode = mode};
    request.target = target;
    Break();
    return channel_->Create(request);
  }

  Host host_;
  TempDir dir_;
  Proxy proxy_;
  std::unique_ptr<Remote> remote_;
  std::unique_ptr<Channel> channel_;
  NodeRef root_;
};

TEST_P(RetryTest, Mkdir) {
  const CreateReply reply = Create(S_IFDIR | 0755);
  EXPECT_EQ(reply.error, 0);
  EXPECT_EQ(reply.entry.id, Ref("new").id);
  EXPECT_EQ(Entries(), 1u);
}

TEST_P(RetryTest, ExclusiveCreate) {
  const CreateReply reply = Create(S_IFREG | 0644);
  EXPECT_EQ(reply.error, 0);
  EXPECT_FALSE(reply.existed);
  EXPECT_EQ(reply.entry.id, Ref("new").id);
  EXPECT_EQ(Entries(), 1u);
}

TEST_P(RetryTest, Symlink) {
  EXPECT_EQ(Create(S_IFLNK | 0777, "target").error, 0);
  EXPECT_EQ(channel_->ReadLink(Ref("new")).target, "target");
  EXPECT_EQ(Entries(), 1u);
}

TEST_P(RetryTest, CreateOfANameThatSomebodyElseTookFails) {
  host_.Write("new", "not ours");
  EXPECT_EQ(Create(S_IFREG | 0644).error, EEXIST);
  EXPECT_EQ(host_.Read("new"), "not ours");
}

TEST_P(RetryTest, Unlink) {
  host_.Write("old", "x");
  ASSERT_FALSE(Ref("old").id.IsNull());
  Break();
  EXPECT_EQ(channel_->Remove({.dir = root_, .name = "old"}).error, 0);
  EXPECT_FALSE(host_.Has("old"));
}

TEST_P(RetryTest, Rmdir) {
  host_.MakeDir("old");
  Break();
  EXPECT_EQ(
      channel_->Remove({.dir = root_, .name = "old", .directory = true}).error,
      0);
  EXPECT_FALSE(host_.Has("old"));
}

TEST_P(RetryTest, Link) {
  host_.Write("file", "x");
  const NodeRef file = Ref("file");
  Break();
  const LinkReply reply =
      channel_->Link({.node = file, .dir = root_, .name = "link"});
  EXPECT_EQ(reply.error, 0);
  EXPECT_EQ(reply.entry.id, file.id);
  EXPECT_EQ(reply.entry.nlink, 2u);
}

TEST_P(RetryTest, Rename) {
  host_.Write("a", "the one");
  host_.Write("b", "replaced");
  RenameRequest request{.from_dir = root_, .from_name = "a", .to_dir = root_};
  request.to_name = "b";
  request.expected = Ref("a").id;
  Break();
  const RenameReply reply = channel_->Rename(request);
  EXPECT_EQ(reply.error, 0);
  EXPECT_EQ(reply.moved.id, request.expected);
  EXPECT_EQ(host_.Read("b"), "the one");
  EXPECT_EQ(Entries(), 1u);
}

// Done twice, it would be undone.
TEST_P(RetryTest, RenameExchange) {
  host_.Write("a", "was a");
  host_.Write("b", "was b");
  RenameRequest request{.from_dir = root_, .from_name = "a", .to_dir = root_};
  request.to_name = "b";
  request.flags = 2;
  request.expected = Ref("a").id;
  Break();
  EXPECT_EQ(channel_->Rename(request).error, 0);
  EXPECT_EQ(host_.Read("a"), "was b");
  EXPECT_EQ(host_.Read("b"), "was a");
}

TEST_P(RetryTest, AppendIsNotDoubled) {
  host_.Write("log", "one\n");
  const NodeRef log = Ref("log");
  Break();
  const WriteReply reply = channel_->Write(
      {.node = log, .offset = 4, .data = "two\n", .append = true});
  EXPECT_EQ(reply.error, 0);
  EXPECT_EQ(reply.written, 4u);
  EXPECT_EQ(reply.node.after.size, 8u);
  EXPECT_EQ(host_.Read("log"), "one\ntwo\n");
}

TEST_P(RetryTest, AppendOfTheSameBytesAsBeforeIsNotTakenForDone) {
  host_.Write("log", "x\nx\n");
  const NodeRef log = Ref("log");
  Break();
  EXPECT_EQ(
      channel_->Write({.node = log, .offset = 4, .data = "x\n", .append = true})
          .written,
      2u);
  EXPECT_EQ(host_.Read("log"), "x\nx\nx\n");
}

TEST_P(RetryTest, Write) {
  host_.Write("file", "0123456789");
  const NodeRef file = Ref("file");
  Break();
  EXPECT_EQ(channel_->Write({.node = file, .offset = 3, .data = "abc"}).written,
            3u);
  EXPECT_EQ(host_.Read("file"), "012abc6789");
}

TEST_P(RetryTest, Lookup) {
  host_.Write("file", "x");
  Break();
  EXPECT_EQ(channel_->Lookup({.dir = root_, .name = "file"}).error, 0);
}

// The state of a client outlives its connection.
TEST_P(RetryTest, AnOrphanSurvivesABrokenConnection) {
  host_.Write("file", "still there");
  const NodeRef file = Ref("file");
  RemoveRequest request{.dir = root_, .name = "file"};
  request.keep_orphan = true;
  ASSERT_EQ(channel_->Remove(request).error, 0);
  Break();
  ReadRequest read;
  read.files.push_back({.node = file, .first_block = 0, .block_count = 1});
  const ReadReply reply = channel_->Read(read);
  ASSERT_EQ(reply.files.at(0).error, 0);
  EXPECT_EQ(reply.files[0].blocks.at(0).bytes, "still there");
}

INSTANTIATE_TEST_SUITE_P(TheLost, RetryTest,
                         testing::Values(Lost::kRequest, Lost::kReply),
                         [](const auto& info) {
                           return info.param == Lost::kRequest ? "Request"
                                                               : "Reply";
                         });

}  // namespace
}  // namespace warmfs::rpc
