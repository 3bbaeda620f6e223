// A channel and a real host: every operation, over each kind of endpoint that a
// test can have; a host that goes and comes back; one that stays away.

#include "rpc/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/rpc/host.h"
#include "tests/rpc/proxy.h"

namespace warmfs::rpc {
namespace {

std::unique_ptr<Remote> MakeRemote(RemoteOptions options) {
  auto remote = Remote::Create(std::move(options));
  EXPECT_TRUE(remote.ok()) << remote.status();
  return *std::move(remote);
}

// --- every operation, over a Unix socket and over a child of our own ---

class ChannelTest : public testing::TestWithParam<const char*> {
 protected:
  ChannelTest() {
    const bool child = std::string_view(GetParam()) == "directory";
    remote_ = MakeRemote(host_.RemoteOptionsFor(
        child ? host_.root()
        : std::string_view(GetParam()) == "exec"
            ? "exec:" HOSTD_PROGRAM " --quiet --stdio --export default=" +
                  host_.root()
            : host_.endpoint()));
    channel_ = std::make_unique<Channel>(*remote_);
    const absl::Status opened = channel_->Open();
    EXPECT_TRUE(opened.ok()) << opened;
    root_ = {"", remote_->info()->root};
  }
  NodeRef Make(std::string_view name, uint32_t mode) {
    const CreateReply made =
        channel_->Create({.dir = root_, .name = name, .mode = mode});
    EXPECT_EQ(made.error, 0) << name;
    return {std::string(name), made.entry.id};
  }

  Host host_;
  std::unique_ptr<Remote> remote_;
  std::unique_ptr<Channel> channel_;
  NodeRef root_;
};

TEST_P(ChannelTest, TheExportIntroducesItself) {
  const ExportInfo info = *remote_->info();
  EXPECT_EQ(info.name, "default");
  EXPECT_EQ(info.host_uid, geteuid());
  EXPECT_FALSE(info.read_only || info.root.IsNull() || info.identity.empty());
  EXPECT_NE(info.instance, 0u);
  EXPECT_EQ(remote_->connected(), 1);
  EXPECT_EQ(remote_->trouble(), "");
}

TEST_P(ChannelTest, FilesAreMadeWrittenAndRead) {
  const NodeRef file = Make("file", S_IFREG | 0644);
  EXPECT_EQ(channel_->Write({.node = file, .data = "hello"}).written, 5u);
  EXPECT_EQ(
      channel_->Write({.node = file, .data = " you", .append = true}).error, 0);
  EXPECT_EQ(host_.Read("file"), "hello you");
  ReadRequest request;
  request.files.push_back({.node = file, .first_block = 0, .block_count = 1});
  const ReadReply read = channel_->Read(request);
  ASSERT_EQ(read.files.size(), 1u);
  EXPECT_EQ(read.files[0].blocks.at(0).bytes, "hello you");
  EXPECT_EQ(remote_->stats().bytes_written, 9u);
  EXPECT_EQ(remote_->stats().bytes_read, 9u);
  EXPECT_EQ(channel_->Seek({.node = file, .offset = 0, .hole = true}).offset,
            9u);
  EXPECT_EQ(channel_->Sync({.node = file}).error, 0);
  const NodeRef copy = Make("copy", S_IFREG | 0644);
  EXPECT_EQ(channel_->Copy({.from = file, .to = copy, .length = 5}).copied, 5u);
  EXPECT_EQ(host_.Read("copy"), "hello");
  EXPECT_EQ(
      channel_->Allocate({.node = copy, .offset = 0, .length = 100}).error, 0);
  EXPECT_EQ(channel_->GetAttr(copy).attr.size, 100u);
}

TEST_P(ChannelTest, NamesAreMadeListedMovedAndRemoved) {
  const NodeRef dir = Make("dir", S_IFDIR | 0755);
  const NodeRef file = Make("file", S_IFREG | 0644);
  EXPECT_EQ(channel_->Link({.node = file, .dir = dir, .name = "l"}).error, 0);
  CreateRequest link{.dir = root_, .name = "s", .mode = S_IFLNK | 0777};
  link.target = "file";
  const CreateReply made = channel_->Create(link);
  EXPECT_EQ(channel_->ReadLink({"s", made.entry.id}).target, "file");
  const ListReply list = channel_->List({.dir = root_, .known = {}});
  std::vector<std::string> names;
  for (const DirEntry& e : list.entries) names.push_back(e.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("dir", "file", "s"));
  EXPECT_EQ(channel_->ListMore(12345).error, ESTALE);
  RenameRequest rename{.from_dir = root_, .from_name = "file"};
  rename.to_dir = dir;
  rename.to_name = "moved";
  EXPECT_EQ(channel_->Rename(rename).moved.id, file.id);
  const LookupReply found = channel_->Lookup({.dir = dir, .name = "moved"});
  EXPECT_EQ(found.entry.id, file.id);
  EXPECT_EQ(found.entry.nlink, 2u);
  EXPECT_EQ(channel_->Remove({.dir = dir, .name = "moved"}).error, 0);
  EXPECT_EQ(channel_->Lookup({.dir = dir, .name = "moved"}).error, ENOENT);
  EXPECT_EQ(channel_->Release({.orphans = {file.id}}).error, 0);
}

TEST_P(ChannelTest, AttributesAndLocks) {
  const NodeRef file = Make("file", S_IFREG | 0644);
  SetAttrRequest set{.node = file, .mode = 0600, .size = 10};
  const ChangeReply changed = channel_->SetAttr(set);
  EXPECT_EQ(changed.node.before.size, 0u);
  EXPECT_EQ(changed.node.after.size, 10u);
  EXPECT_EQ(changed.node.after.mode, S_IFREG | 0600u);
  EXPECT_EQ(
      channel_->SetXattr({.node = file, .name = "user.a", .value = "v"}).error,
      0);
  EXPECT_EQ(channel_->GetXattr({.node = file, .name = "user.a"}).value, "v");
  EXPECT_EQ(channel_->StatFs(root_).name_max, 255u);
  LockRequest lock{.node = file, .owner = 1};
  lock.type = LockType::kWrite;
  EXPECT_EQ(channel_->Lock(lock).error, 0);
  lock.owner = 2;
  EXPECT_EQ(channel_->Lock(lock).error, EAGAIN);
}

// More than the host keeps unfinished answers of.
TEST_P(ChannelTest, OneConnectionCarriesAnyNumberOfCalls) {
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(channel_->GetAttr(root_).error, 0) << i;
  }
  EXPECT_EQ(remote_->stats().reconnects, 0u);
}

TEST_P(ChannelTest, CallsAreCountedExactly) {
  for (int i = 0; i < 7; ++i) EXPECT_EQ(channel_->GetAttr(root_).error, 0);
  RpcStats& stats = remote_->stats();
  EXPECT_EQ(stats.of(Method::kGetAttr).calls, 7u);
  EXPECT_EQ(stats.of(Method::kGetAttr).latency.count(), 7u);
  EXPECT_EQ(stats.TotalCalls(), 7u);
  EXPECT_EQ(stats.reconnects, 0u);
  EXPECT_EQ(stats.failures, 0u);
}

INSTANTIATE_TEST_SUITE_P(Endpoints, ChannelTest,
                         testing::Values("unix", "directory", "exec"),
                         [](const auto& info) {
                           return std::string(info.param);
                         });

// --- a host that goes away ---

class AwayTest : public testing::Test {
 protected:
  std::unique_ptr<Remote> RemoteWaiting(absl::Duration wait) {
    RemoteOptions options = host_.RemoteOptionsFor(host_.endpoint());
    options.host_wait = wait;
    return MakeRemote(options);
  }
  Host host_;
};

TEST_F(AwayTest, ACallAfterARestartConnectsAgain) {
  auto remote = RemoteWaiting(absl::Seconds(30));
  Channel channel(*remote);
  ASSERT_TRUE(channel.Open().ok());
  const ExportInfo before = *remote->info();
  const NodeRef root{"", before.root};
  ASSERT_EQ(channel.GetAttr(root).error, 0);
  host_.Stop();
  host_.Start();
  EXPECT_EQ(channel.GetAttr(root).error, 0);
  EXPECT_NE(remote->info()->instance, before.instance);
  EXPECT_EQ(remote->info()->identity, before.identity);
  EXPECT_EQ(remote->stats().reconnects, 1u);
  EXPECT_EQ(remote->stats().failures, 0u);
  EXPECT_EQ(remote->connected(), 1);
}

TEST_F(AwayTest, ACallWaitsForTheHostToComeBack) {
  auto remote = RemoteWaiting(absl::Seconds(60));
  {
    Channel first(*remote);
    ASSERT_TRUE(first.Open().ok());
  }
  host_.Stop();
  std::thread caller([&] {
    Channel channel(*remote);
    EXPECT_EQ(channel.GetAttr({"", remote->info()->root}).error, 0);
  });
  // It has failed to connect at least once when it says what the trouble is.
  while (remote->trouble().empty()) std::this_thread::yield();
  host_.Start();
  caller.join();
  EXPECT_EQ(remote->stats().failures, 0u);
  EXPECT_EQ(remote->trouble(), "");
}

TEST_F(AwayTest, ACallGivesUpAfterHostWaitWithEio) {
  constexpr absl::Duration kWait = absl::Milliseconds(300);
  auto remote = RemoteWaiting(kWait);
  Channel channel(*remote);
  ASSERT_TRUE(channel.Open().ok());
  host_.Stop();
  const absl::Time start = absl::Now();
  EXPECT_EQ(channel.GetAttr({"", remote->info()->root}).error, EIO);
  EXPECT_GE(absl::Now() - start, kWait);
  EXPECT_LT(absl::Now() - start, kWait + absl::Seconds(5));
  EXPECT_EQ(remote->stats().failures, 1u);
  EXPECT_EQ(remote->connected(), 0);
  EXPECT_THAT(remote->trouble(), testing::HasSubstr("no host at unix:"));
  host_.Start();
  EXPECT_EQ(channel.GetAttr({"", remote->info()->root}).error, 0);
}

// Connected, but silent: treated as gone.
TEST_F(AwayTest, AHostThatDoesNotAnswerInTimeIsGone) {
  TempDir dir;
  Proxy proxy(dir / "proxy", host_.endpoint());
  RemoteOptions options = host_.RemoteOptionsFor(proxy.endpoint());
  options.host_wait = absl::Milliseconds(300);
  auto remote = MakeRemote(options);
  Channel channel(*remote);
  ASSERT_TRUE(channel.Open().ok());
  const NodeRef root{"", remote->info()->root};
  proxy.HoldReplies();
  const absl::Time start = absl::Now();
  EXPECT_EQ(channel.GetAttr(root).error, EIO);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(300));
  EXPECT_EQ(remote->stats().failures, 1u);
  proxy.Release();
  EXPECT_EQ(channel.GetAttr(root).error, 0) << "the late answer is not taken";
}

// A call that follows a long idle time has its whole time limit.
TEST_F(AwayTest, IdleTimeDoesNotCountAgainstTheNextCall) {
  auto remote = RemoteWaiting(absl::Milliseconds(500));
  Channel channel(*remote);
  ASSERT_TRUE(channel.Open().ok());
  const NodeRef root{"", remote->info()->root};
  ASSERT_EQ(channel.GetAttr(root).error, 0);
  // Not for something to happen: the time itself is what is tested.
  absl::Notification never;
  never.WaitForNotificationWithTimeout(absl::Milliseconds(700));
  EXPECT_EQ(channel.GetAttr(root).error, 0);
  EXPECT_EQ(remote->stats().reconnects, 0u);
}

// The same endpoint, another directory: what the VM holds is not of it.
TEST_F(AwayTest, AnotherDirectoryIsNotTakenForTheOldOne) {
  // The last attempt is made after a pause that is longer than what is left,
  // and must tell the same.
  auto remote = RemoteWaiting(absl::Milliseconds(1500));
  Channel channel(*remote);
  ASSERT_TRUE(channel.Open().ok());
  const NodeRef root{"", remote->info()->root};
  host_.Stop();
  const std::string aside = host_.root() + ".old";
  ASSERT_EQ(rename(host_.root().c_str(), aside.c_str()), 0);
  ASSERT_EQ(mkdir(host_.root().c_str(), 0755), 0);
  host_.Start();
  EXPECT_EQ(channel.GetAttr(root).error, EIO);
  EXPECT_THAT(remote->trouble(), testing::HasSubstr("another directory"));
}

}  // namespace
}  // namespace warmfs::rpc
