// Locks on the host.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

class LockTest : public ExportTest {
 protected:
  LockRequest Request(uint64_t owner, LockType type, uint64_t start = 0,
                      uint64_t length = 0) {
    LockRequest request;
    request.node = Ref("f");
    request.owner = owner;
    request.type = type;
    request.start = start;
    request.length = length;
    return request;
  }
  int Lock(const LockRequest& request) {
    return export_->Lock(client_, request).error;
  }
  void SetUp() override { WriteHost("f", "0123456789"); }
};

TEST_F(LockTest, OwnersOfOneClientExcludeEachOther) {
  ASSERT_EQ(Lock(Request(1, LockType::kWrite, 0, 5)), 0);
  EXPECT_EQ(Lock(Request(2, LockType::kRead, 4, 2)), EAGAIN);
  EXPECT_EQ(Lock(Request(2, LockType::kWrite, 5, 5)), 0);
  EXPECT_EQ(Lock(Request(1, LockType::kRead, 0, 5)), 0) << "downgrade";
  EXPECT_EQ(Lock(Request(2, LockType::kRead, 0, 5)), 0);
}

TEST_F(LockTest, HostProgramsSeeThem) {
  const UniqueFd fd(open(Host("f").c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(Lock(Request(1, LockType::kWrite)), 0);
  EXPECT_EQ(fcntl(fd.get(), F_OFD_SETLK, &lock), -1);
  ASSERT_EQ(Lock(Request(1, LockType::kUnlock)), 0);
  EXPECT_EQ(fcntl(fd.get(), F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(Lock(Request(1, LockType::kWrite)), EAGAIN);
}

TEST_F(LockTest, TestTellsWhatIsInTheWay) {
  ASSERT_EQ(Lock(Request(1, LockType::kWrite, 3, 4)), 0);
  LockRequest request = Request(2, LockType::kRead);
  request.test = true;
  const LockReply found = export_->Lock(client_, request);
  EXPECT_EQ(found.type, LockType::kWrite);
  EXPECT_EQ(found.start, 3u);
  EXPECT_EQ(found.length, 4u);
  request.owner = 1;
  EXPECT_EQ(export_->Lock(client_, request).type, LockType::kUnlock)
      << "one's own is not in the way";
}

TEST_F(LockTest, FlockIsAnotherKind) {
  LockRequest request = Request(1, LockType::kWrite);
  request.kind = LockKind::kFlock;
  ASSERT_EQ(Lock(request), 0);
  EXPECT_EQ(Lock(Request(2, LockType::kWrite)), 0) << "POSIX does not see it";
  const UniqueFd fd(open(Host("f").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(flock(fd.get(), LOCK_SH | LOCK_NB), -1);
  request.type = LockType::kRead;
  ASSERT_EQ(Lock(request), 0);
  EXPECT_EQ(flock(fd.get(), LOCK_SH | LOCK_NB), 0);
  request.test = true;
  EXPECT_EQ(Lock(request), EINVAL);
}

TEST_F(LockTest, UnlockOfAllGivesTheDescriptorBackThoughTheFileIsGone) {
  const LockRequest unlock = Request(1, LockType::kUnlock);
  const size_t before = OpenDescriptors();
  ASSERT_EQ(Lock(Request(1, LockType::kWrite, 2, 3)), 0);
  ASSERT_EQ(Lock(Request(1, LockType::kUnlock, 2, 1)), 0);
  EXPECT_EQ(OpenDescriptors(), before + 1);
  ASSERT_EQ(unlink(Host("f").c_str()), 0);
  EXPECT_EQ(Lock(unlock), 0);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(LockTest, AFailedLockHoldsNothing) {
  ASSERT_EQ(Lock(Request(1, LockType::kWrite)), 0);
  const size_t before = OpenDescriptors();
  for (uint64_t owner = 2; owner < 20; ++owner) {
    EXPECT_EQ(Lock(Request(owner, LockType::kWrite)), EAGAIN);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(LockTest, GarbageIsRefused) {
  EXPECT_EQ(Lock(Request(1, LockType::kWrite, UINT64_MAX, 1)), EINVAL);
  EXPECT_EQ(Lock(Request(1, LockType::kWrite, 1, INT64_MAX)), EINVAL);
  EXPECT_EQ(Lock(Request(1, static_cast<LockType>(7))), EINVAL);
  LockRequest request = Request(1, LockType::kWrite);
  request.kind = static_cast<LockKind>(9);
  EXPECT_EQ(Lock(request), EINVAL);
  EXPECT_EQ(client_.locks().size(), 0u);
}

TEST_F(LockTest, LocksEndWithTheClient) {
  {
    ClientState other(budget_);
    ASSERT_EQ(export_->Lock(other, Request(1, LockType::kWrite)).error, 0);
    EXPECT_EQ(Lock(Request(1, LockType::kWrite)), EAGAIN);
  }
  EXPECT_EQ(Lock(Request(1, LockType::kWrite)), 0);
}

}  // namespace
}  // namespace warmfs::hostd
