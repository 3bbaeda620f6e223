// A host that has forgotten what it held for the client: who gives it back,
// when, and what waits for it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "absl/synchronization/notification.h"
#include "rpc/channel.h"
#include "tests/rpc/host.h"
#include "tests/rpc/proxy.h"

namespace warmfs::rpc {
namespace {

class RestoreTest : public testing::Test {
 protected:
  RestoreTest() { Connect(host_.endpoint()); }

  void Connect(const std::string& endpoint) {
    channel_.reset();
    auto remote = Remote::Create(host_.RemoteOptionsFor(endpoint));
    ASSERT_TRUE(remote.ok()) << remote.status();
    remote_ = *std::move(remote);
    channel_ = std::make_unique<Channel>(*remote_);
    ASSERT_TRUE(channel_->Open().ok());
    root_ = {"", remote_->info()->root};
    remote_->SetRestore([this](Channel&) { ++restores_; });
  }
  void RestartHost() {
    host_.Stop();
    host_.Start();
  }
  int Make(Channel& channel, std::string_view name) {
    return channel.Create({.dir = root_, .name = name, .mode = S_IFDIR | 0755})
        .error;
  }

  Host host_;
  std::unique_ptr<Remote> remote_;
  std::unique_ptr<Channel> channel_;
  NodeRef root_;
  std::atomic<int> restores_{0};
};

TEST_F(RestoreTest, ARestartIsNoticedByTheNextCallOfAnyChannelAndOnce) {
  const uint64_t before = channel_->incarnation();
  absl::Notification connected, restarted;
  std::thread other([&] {
    Channel channel(*remote_);
    EXPECT_EQ(channel.GetAttr(root_).error, 0);
    EXPECT_EQ(channel.incarnation(), before);
    connected.Notify();
    restarted.WaitForNotification();
    EXPECT_EQ(channel.GetAttr(root_).error, 0);
    EXPECT_EQ(channel.incarnation(), remote_->incarnation());
  });
  connected.WaitForNotification();
  RestartHost();
  restarted.Notify();
  other.join();
  EXPECT_EQ(restores_, 1);
  EXPECT_EQ(channel_->GetAttr(root_).error, 0);
  EXPECT_EQ(restores_, 1);
  EXPECT_NE(channel_->incarnation(), before);
  EXPECT_EQ(channel_->incarnation(), remote_->incarnation());
}

TEST_F(RestoreTest, ACheckNoticesItWithoutACall) {
  const uint64_t calls = remote_->stats().TotalCalls();
  channel_->Check();
  EXPECT_EQ(restores_, 0);
  RestartHost();
  channel_->Check();
  EXPECT_EQ(restores_, 1);
  EXPECT_EQ(remote_->stats().TotalCalls(), calls);
  host_.Stop();
  channel_->Check();
  EXPECT_EQ(channel_->incarnation(), 0u);
}

TEST_F(RestoreTest, AConnectionThatBreaksIsNoReason) {
  TempDir dir;
  Proxy proxy(dir / "proxy", host_.endpoint());
  Connect(proxy.endpoint());
  const uint64_t before = channel_->incarnation();
  proxy.CutNextReply();
  EXPECT_EQ(channel_->GetAttr(root_).error, 0);
  EXPECT_EQ(remote_->stats().reconnects, 1u);
  EXPECT_EQ(channel_->incarnation(), before);
  EXPECT_EQ(restores_, 0);
}

TEST_F(RestoreTest, AHostThatHasForgottenTheClientIsOne) {
  channel_.reset();
  host_.Forget(remote_->client_id());
  channel_ = std::make_unique<Channel>(*remote_);
  EXPECT_EQ(channel_->GetAttr(root_).error, 0);
  EXPECT_EQ(restores_, 1);
}

TEST_F(RestoreTest, NoOtherCallIsSentBeforeItIsDone) {
  std::thread caller;
  remote_->SetRestore([&](Channel& channel) {
    caller = std::thread([&] {
      Channel second(*remote_);
      EXPECT_EQ(Make(second, "made"), EEXIST) << "it came first";
    });
    // The caller is connected: nothing but us keeps its call from the host.
    while (remote_->connected() < 2) std::this_thread::yield();
    EXPECT_EQ(Make(channel, "made"), 0);
  });
  RestartHost();
  EXPECT_EQ(channel_->GetAttr(root_).error, 0);
  caller.join();
}

TEST_F(RestoreTest, OneThatBreaksOffIsBegunAgain) {
  remote_->SetRestore([&](Channel& channel) {
    if (++restores_ == 1) RestartHost();
    EXPECT_EQ(Make(channel, "made"), restores_ == 1 ? EIO : 0);
    EXPECT_EQ(channel.incarnation() == 0, restores_ == 1);
  });
  RestartHost();
  EXPECT_EQ(channel_->GetAttr(root_).error, 0);
  EXPECT_EQ(restores_, 2);
  EXPECT_TRUE(host_.Has("made"));
}

}  // namespace
}  // namespace warmfs::rpc
