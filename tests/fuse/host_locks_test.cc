// Locks of processes here on the files of a real host that is restarted, or
// that forgets this client. The rival is the test, by another open file
// description.

#include "fuse/host_locks.h"

#include <fcntl.h>

#include <thread>

#include "schema/unique_fd.h"
#include "tests/fuse/fs_fixture.h"
#include "tests/rpc/proxy.h"

namespace warmfs::fuse {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kOwner = 1, kOther = 2;

LockRequest Write(uint64_t owner, uint64_t start, uint64_t length) {
  LockRequest request;
  request.owner = owner;
  request.type = LockType::kWrite;
  request.start = start;
  request.length = length;
  return request;
}

LockRequest UnlockAll(uint64_t owner) {
  LockRequest request;
  request.owner = owner;
  return request;
}

class HostLocksTest : public FileSystemTest {
 protected:
  HostLocksTest() {
    host_.Write("file", "0123456789");
    file_ = Find("file");
  }

  int Ask(const LockRequest& request) {
    return ToErrno(locks_->Ask(*channel_, file_, request).status());
  }
  void RestartHost() {
    host_.Stop();
    host_.Start();
  }
  UniqueFd OpenOnHost(std::string_view path = "file") {
    return UniqueFd(open((host_ / path).c_str(), O_RDWR | O_CLOEXEC));
  }
  static struct flock Byte(off_t at) {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_start = at;
    lock.l_len = 1;
    return lock;
  }
  // Whether a process of the host could lock that byte.
  bool IsFree(off_t at, std::string_view path = "file") {
    struct flock lock = Byte(at);
    EXPECT_EQ(fcntl(OpenOnHost(path).get(), F_OFD_GETLK, &lock), 0);
    return lock.l_type == F_UNLCK;
  }

  std::unique_ptr<HostLocks> locks_ =
      std::make_unique<HostLocks>(*fs_, *remote_);
  NodeId file_ = 0;
};

TEST_F(HostLocksTest, ARestartedHostIsGivenAllLocksBack) {
  ASSERT_EQ(Ask(Write(kOwner, 0, 2)), 0);
  ASSERT_EQ(Ask(Write(kOther, 5, 1)), 0);
  RestartHost();
  ASSERT_TRUE(IsFree(0)) << "nobody has noticed yet";
  channel_->Check();
  for (const off_t at : {0, 1, 5}) EXPECT_FALSE(IsFree(at)) << at;
  for (const off_t at : {2, 4, 6}) EXPECT_TRUE(IsFree(at)) << at;
  EXPECT_EQ(locks_->restored(), 2u);
  EXPECT_THAT(locks_->held().lost(), IsEmpty());
  // They are their owners' as before.
  EXPECT_EQ(Ask(Write(kOther, 0, 1)), EAGAIN);
  EXPECT_EQ(Ask(UnlockAll(kOwner)), 0);
  EXPECT_EQ(Ask(Write(kOther, 0, 1)), 0);
}

TEST_F(HostLocksTest, NobodyHereGetsALockBeforeItsHolderHasItBack) {
  ASSERT_EQ(Ask(Write(kOwner, 0, 1)), 0);
  RestartHost();
  EXPECT_EQ(Ask(Write(kOther, 0, 1)), EAGAIN);
}

TEST_F(HostLocksTest, AHostThatForgotTheClientIsGivenThemBackToo) {
  ASSERT_EQ(Ask(Write(kOwner, 0, 1)), 0);
  const uint64_t before = channel_->incarnation();
  channel_.reset();
  host_.Forget(remote_->client_id());
  channel_ = std::make_unique<rpc::Channel>(*remote_);
  EXPECT_EQ(Ask(Write(kOther, 0, 1)), EAGAIN);
  EXPECT_NE(channel_->incarnation(), before);
  EXPECT_EQ(locks_->restored(), 1u);
}

TEST_F(HostLocksTest, ALockThatAnotherTookMeanwhileIsLost) {
  ASSERT_EQ(Ask(Write(kOwner, 0, 1)), 0);
  ASSERT_EQ(Ask(Write(kOwner, 5, 1)), 0);
  host_.Stop();
  const UniqueFd rival = OpenOnHost();
  struct flock byte = Byte(0);
  ASSERT_EQ(fcntl(rival.get(), F_OFD_SETLK, &byte), 0);
  host_.Start();
  channel_->Check();
  ASSERT_THAT(locks_->held().lost(), SizeIs(1));
  EXPECT_EQ(locks_->held().lost()[0].request.start, 0u);
  EXPECT_EQ(locks_->held().lost()[0].error, EAGAIN);
  EXPECT_FALSE(IsFree(5)) << "the other one is back";
  // It is not taken in silence when the rival is gone.
  RestartHost();
  channel_->Check();
  EXPECT_THAT(locks_->held().lost(), SizeIs(1));
  EXPECT_EQ(Ask(UnlockAll(kOwner)), 0);
  EXPECT_THAT(locks_->held().lost(), IsEmpty());
}

TEST_F(HostLocksTest, AFileThatWasMovedIsFoundAndOneThatIsGoneIsLost) {
  host_.Write("other", "x");
  Expire();
  const NodeId other = Find("other");
  ASSERT_EQ(Ask(Write(kOwner, 0, 1)), 0);
  ASSERT_TRUE(locks_->Ask(*channel_, other, Write(kOwner, 0, 1)).ok());
  host_.Stop();
  host_.Rename("file", "moved");
  host_.Remove("other");
  host_.Start();
  channel_->Check();
  EXPECT_FALSE(IsFree(0, "moved"));
  ASSERT_THAT(locks_->held().lost(), SizeIs(1));
  EXPECT_EQ(locks_->held().lost()[0].node, other);
  EXPECT_EQ(locks_->held().lost()[0].error, ESTALE);
}

TEST_F(HostLocksTest, AHostIsToldOfTheCloseOfThoseOnlyWhoHadALock) {
  const uint64_t before = Calls(Method::kLock);
  EXPECT_EQ(Ask(UnlockAll(kOwner)), 0);
  EXPECT_EQ(Calls(Method::kLock), before);
  ASSERT_EQ(Ask(Write(kOwner, 0, 1)), 0);
  EXPECT_EQ(Ask(UnlockAll(kOther)), 0);
  EXPECT_EQ(Calls(Method::kLock), before + 1);
  EXPECT_EQ(Ask(UnlockAll(kOwner)), 0);
  EXPECT_TRUE(IsFree(0));
}

// Whether the host took the lock before it went away is not known here.
TEST_F(HostLocksTest, ALockWithoutAnAnswerIsGivenBackAtTheClose) {
  TempDir dir;
  rpc::Proxy proxy(dir / "proxy", host_.endpoint());
  Connect(proxy.endpoint(), absl::Milliseconds(100));
  locks_ = std::make_unique<HostLocks>(*fs_, *remote_);
  proxy.HoldReplies();
  EXPECT_EQ(Ask(Write(kOwner, 0, 1)), EIO);
  while (IsFree(0)) std::this_thread::yield();
  proxy.Release();
  EXPECT_EQ(Ask(UnlockAll(kOwner)), 0);
  EXPECT_TRUE(IsFree(0));
}

TEST_F(HostLocksTest, WhatWasGivenBackIsNotTakenAgain) {
  ASSERT_EQ(Ask(Write(kOwner, 0, 10)), 0);
  LockRequest part = UnlockAll(kOwner);
  part.start = 2;
  part.length = 3;
  ASSERT_EQ(Ask(part), 0);
  RestartHost();
  channel_->Check();
  EXPECT_EQ(locks_->restored(), 2u) << "the two sides of the gap";
  for (const off_t at : {0, 1, 5, 9}) EXPECT_FALSE(IsFree(at));
  for (const off_t at : {2, 4}) EXPECT_TRUE(IsFree(at)) << at;
}

}  // namespace
}  // namespace warmfs::fuse
