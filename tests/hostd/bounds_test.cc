// However much a client asks to be kept, descriptors stay bounded.

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "hostd/limits.h"
#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

class BoundsTest : public ExportTest {
 protected:
  NodeRef MakeOrphan(ClientState& client, int i) {
    const std::string name = "o" + std::to_string(i);
    WriteHost(name, name);
    NodeRef ref = Ref(name);
    RemoveRequest request;
    request.dir = {"", export_->info().root};
    request.name = name;
    request.keep_orphan = true;
    EXPECT_EQ(export_->Remove(client, request).error, 0);
    return ref;
  }
  int Lock(ClientState& client, uint64_t owner) {
    LockRequest request;
    request.node = Ref("f");
    request.owner = owner;
    request.type = LockType::kRead;
    request.start = owner;
    request.length = 1;
    return export_->Lock(client, request).error;
  }
};

TEST_F(BoundsTest, OrphansOfOneClientAreBoundedAndTheOldestGoes) {
  FdBudget large(100'000);
  ClientState client(large);
  RaiseFileLimit();
  const size_t before = OpenDescriptors();
  std::vector<NodeRef> refs;
  for (int i = 0; i < 4'200; ++i) refs.push_back(MakeOrphan(client, i));
  EXPECT_EQ(OpenDescriptors() - before, ClientState::kMaxOrphans);
  EXPECT_EQ(export_->GetAttr(client, refs.front()).error, ESTALE);
  EXPECT_EQ(export_->GetAttr(client, refs[4'200 - 4096]).error, 0);
  EXPECT_EQ(export_->GetAttr(client, refs.back()).error, 0);
}

TEST_F(BoundsTest, OneClientGetsHalfOfTheProcesssBudget) {
  FdBudget small(100);
  const size_t before = OpenDescriptors();
  {
    ClientState greedy(small), modest(small);
    for (int i = 0; i < 300; ++i) MakeOrphan(greedy, i);
    EXPECT_EQ(greedy.held(), 50u);
    EXPECT_EQ(OpenDescriptors() - before, 50u);
    const NodeRef ref = MakeOrphan(modest, 1000);
    EXPECT_EQ(export_->GetAttr(modest, ref).error, 0);
    EXPECT_EQ(small.used(), 51u);
  }
  EXPECT_EQ(small.used(), 0u) << "all of it is given back";
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(BoundsTest, LocksBeyondTheBoundAreRefused) {
  WriteHost("f", "x");
  FdBudget large(100'000);
  ClientState client(large);
  const size_t before = OpenDescriptors();
  uint64_t owner = 0;
  while (owner < HostLocks::kMaxLocks) ASSERT_EQ(Lock(client, owner++), 0);
  EXPECT_EQ(Lock(client, owner), ENOLCK);
  EXPECT_EQ(Lock(client, 0), 0) << "one that is held is not one more";
  EXPECT_EQ(OpenDescriptors() - before, HostLocks::kMaxLocks);
  FdBudget small(20);
  ClientState poor(small);
  for (uint64_t i = 0; i < 10; ++i) EXPECT_EQ(Lock(poor, i), 0);
  EXPECT_EQ(Lock(poor, 10), ENOLCK);
}

TEST_F(BoundsTest, CursorsOfOneConnectionAreBounded) {
  FillDirectory("big", kMaxListEntries + 1);
  const NodeRef ref = Ref("big");
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(export_->List(client_, cursors_, {ref, {}}).error, 0);
  }
  LetGoOfRecentFiles();
  EXPECT_EQ(OpenDescriptors() - before, Cursors::kMaxOpen);
  FdBudget none(0);
  Cursors poor(none);
  EXPECT_EQ(export_->List(client_, poor, {ref, {}}).error, ENFILE);
}

TEST_F(BoundsTest, AReleaseOfWhatIsNotKeptIsIgnored) {
  ReleaseRequest request;
  for (uint64_t i = 0; i < 10'000; ++i) request.orphans.push_back({i, i});
  export_->Release(client_, request);
  EXPECT_EQ(client_.held(), 0u);
}

TEST_F(BoundsTest, OperationsLeaveNoDescriptorsBehind) {
  MakeDir("d");
  WriteHost("d/f", "x");
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Read(Ref("d/f")), "x");
    EXPECT_EQ(Write(Ref("d/f"), 0, "x").error, 0);
    EXPECT_EQ(export_->List(client_, cursors_, {Ref("d"), {}}).error, 0);
    EXPECT_EQ(Create("d", "n", S_IFREG | 0444).error, 0);
    EXPECT_EQ(Remove("d", "n").error, 0);
    EXPECT_EQ(export_->GetAttr(client_, {"d/f", {1, 1}}).error, ESTALE);
  }
  LetGoOfRecentFiles();
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(LimitsTest, TheFileLimitIsRaisedToTheHardOne) {
  rlimit limit{};
  const uint64_t now = RaiseFileLimit();
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(now, std::min<rlim_t>(limit.rlim_max, 1 << 20));
  EXPECT_LT(HeldFileLimit(), now);
  EXPECT_GT(HeldFileLimit(), 0u);
}

}  // namespace
}  // namespace warmfs::hostd
