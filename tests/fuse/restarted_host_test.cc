// A host that is started anew and whose journal goes on: the client keeps its
// leases, and asks for nothing but what was changed meanwhile.

#include <memory>
#include <string>

#include "fuse/follower.h"
#include "hostd/subtree_watcher.h"
#include "hostd/usn_source.h"
#include "tests/fakes/paper_bookmark.h"
#include "tests/fakes/scripted_usn_volume.h"
#include "tests/fuse/lease_fixture.h"

namespace warmfs::fuse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kRoot = 5, kDir = 20, kOther = 21, kFile = 40;

// The host's disk: it is there before the host is, and after it.
class Disk {
 protected:
  rpc::Host::Options HostOnIt() {
    return {.watch_with = [this] { return Watch(); }};
  }

  hostd::ScriptedUsnVolume::Disk volume_;
  hostd::PaperBookmark::Paper paper_;

 private:
  hostd::WatcherFactory Watch() {
    return [this](const hostd::Tree& tree) {
      return *hostd::GoOnWatching(
          tree, {}, std::make_unique<hostd::PaperBookmark>(paper_),
          [this](const std::string& cursor) {
            return hostd::UsnSource::Create(
                std::make_unique<hostd::ScriptedUsnVolume>(volume_), cursor);
          });
    };
  }
};

class RestartedHostTest : protected Disk, public LeaseTest {
 protected:
  RestartedHostTest() : LeaseTest(HostOnIt()) {
    volume_.Place(kRoot, "", remote_->info()->root);
    uint64_t ref = kDir;
    for (const char* dir : {"d", "e"}) {
      host_.MakeDir(dir);
      host_.Write(std::string(dir) + "/f", "before");
      volume_.Write(ref, kRoot, dir[0] == 'd' ? u"d" : u"e",
                    hostd::kUsnFileCreate | hostd::kUsnClose,
                    hostd::kUsnDirectory);
      const Attr attr =
          channel_->Lookup({.dir = {"", remote_->info()->root}, .name = dir})
              .entry;
      volume_.Place(ref++, dir, attr.id);
    }
    TakeIn();
    for (const char* file : {"d/f", "e/f"}) {
      host_.Settle(file);
      EXPECT_EQ(Read(Find(file)), "before");
    }
    TakePages();
    TakeListings();
  }
  ~RestartedHostTest() override { host_.Stop(); }

  // What the host did while nobody served it.
  void RewriteWhileAway() {
    host_.Stop();
    host_.Write("d/f", "and after it");
    volume_.Write(
        kFile, kDir, u"f",
        hostd::kUsnDataTruncation | hostd::kUsnDataExtend | hostd::kUsnClose);
    host_.Start();
  }
};

TEST_F(RestartedHostTest, NothingIsAskedAgainIfNothingHasChanged) {
  host_.Stop();
  host_.Start();
  EXPECT_THAT(TakeIn(), IsEmpty());
  EXPECT_FALSE(new_epoch_);
  const uint64_t work = Work();
  for (const char* file : {"d/f", "e/f"}) EXPECT_EQ(Read(Find(file)), "before");
  EXPECT_EQ(Work(), work);
  EXPECT_THAT(TakePages(), IsEmpty());
}

TEST_F(RestartedHostTest, OnlyWhatHasChangedIsFetchedAgain) {
  const NodeId changed = Find("d/f");
  RewriteWhileAway();
  TakeIn();
  EXPECT_FALSE(new_epoch_);
  const uint64_t work = Work();
  EXPECT_EQ(Read(Find("e/f")), "before");
  EXPECT_EQ(Work(), work) << "its directory's lease has gone on";
  EXPECT_EQ(Read(Find("d/f")), "and after it");
  EXPECT_EQ(Work(), work + 2) << "the directory, and the file";
  EXPECT_EQ(Find("d/f"), changed);
}

// From the cache that the mount before it has left.
TEST_F(RestartedHostTest, AMountThatIsMadeAnewTooGoesOnAsWell) {
  RewriteWhileAway();
  Remount();
  EXPECT_FALSE(new_epoch_);
  const uint64_t work = Work();
  EXPECT_EQ(Read(Find("e/f")), "before");
  EXPECT_EQ(Read(Find("d/f")), "and after it");
  EXPECT_EQ(Work(), work + 2);
}

// Who watches a directory need not look there to be told.
TEST_F(RestartedHostTest, TheFollowerLooksByItselfAndRaisesWhatDiffers) {
  Notifier notifier({.pages = [this](NodeId node) { CarryDrop(node); },
                     .attr = [](NodeId) {},
                     .entry = [](NodeId, const std::string&) {}});
  Follower follower(*remote_, *fs_, notifier, nullptr);
  follower.Start();
  ASSERT_TRUE(follower.AwaitFollowing(absl::Seconds(30)));
  EXPECT_THAT(TakeRaised(), IsEmpty());
  RewriteWhileAway();
  const auto fence = follower.Fence(*channel_, absl::Now() + absl::Seconds(30));
  ASSERT_TRUE(fence.ok()) << fence.status();
  EXPECT_THAT(TakeRaised(), ElementsAre("MODIFY f", "CLOSE_WRITE f"));
  EXPECT_EQ(follower.counters().epochs, 0u);
  EXPECT_EQ(cache_->cursor(), *fence);
  follower.Stop();
}

}  // namespace
}  // namespace warmfs::fuse
