// Storage that goes bad while it is in use: flipped bytes, a full disk, writes
// that would have to wait.

#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "tests/cache/support.h"

namespace warmfs::cache {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Damage, ABlockWithFlippedBytesIsDroppedAndCounted) {
  TempDir dir;
  const std::string bytes = Bytes(kBlockBytes, 1);
  {
    auto cache = MustOpen(OptionsFor(dir.path()));
    PutBlock(*cache, FileAttr(1), 0, bytes);
  }
  const auto blobs = FilesEndingIn(dir.path(), ".blob");
  ASSERT_EQ(blobs.size(), 1u);
  FlipBytes(blobs[0], 60000, 3);
  auto cache = MustOpen(OptionsFor(dir.path()));
  EXPECT_THAT(Faults(*cache),
              ElementsAre(HasSubstr("does not match its hash")));
  EXPECT_FALSE(cache->GetBlock(FileAttr(1).id, 0).has_value());
  EXPECT_EQ(cache->counters().hash_mismatches, 1u);
  EXPECT_EQ(cache->usage().content_bytes, 0u);
  EXPECT_THAT(Faults(*cache), IsEmpty());
  PutBlock(*cache, FileAttr(1), 0, bytes);
  EXPECT_EQ(cache->GetBlock(FileAttr(1).id, 0)->bytes, bytes);
}

TEST(Damage, TablesWithFlippedBytesNeverGiveAWrongAnswer) {
  TempDir dir;
  std::vector<DirEntry> entries;
  for (uint64_t i = 0; i < 2000; ++i) {
    entries.push_back(FileEntry("n" + std::to_string(i), 1000 + i));
  }
  {
    auto cache = MustOpen(OptionsFor(dir.path()));
    cache->PutListing(DirAttr(1), entries, {1, 1}, true);
  }
  // The small tables would be noticed at open: this is about later.
  for (const auto& path : FilesEndingIn(dir.path(), ".sst")) {
    if (std::filesystem::file_size(path) > 20000) FlipBytes(path, 9000, 40);
  }
  auto cache = MustOpen(OptionsFor(dir.path()));
  for (const DirEntry& entry : entries) {
    const auto found = cache->Lookup(DirAttr(1).id, entry.name);
    ASSERT_NE(found.presence, Presence::kAbsent) << entry.name;
    if (found.presence == Presence::kPresent) {
      ASSERT_EQ(found.id, entry.attr.id);
    }
    const auto node = cache->GetNode(entry.attr.id);
    if (node.has_value()) {
      ASSERT_EQ(node->attr, entry.attr);
    }
  }
  // If a compaction was there first, the cache has gone to memory.
  EXPECT_TRUE(!Faults(*cache).empty() || !cache->health().persistent);
  EXPECT_THAT(Names(*cache, DirAttr(1).id), ElementsAre("<incomplete>"));
}

// A file system of its own, small; needs root.
class SmallDisk {
 public:
  bool Mount() {
    mounted_ =
        mount("warmfs-test", dir_.path().c_str(), "tmpfs", 0, "size=8m") == 0;
    return mounted_;
  }
  ~SmallDisk() {
    if (mounted_) umount2(dir_.path().c_str(), MNT_DETACH);
  }
  // Leaves so many bytes.
  void FillUpTo(uint64_t left) {
    struct statvfs room = {};
    statvfs(dir_.path().c_str(), &room);
    const uint64_t free = room.f_bavail * room.f_frsize;
    if (free <= left) return;
    std::ofstream(dir_ / "filler") << std::string(free - left, 'x');
  }
  std::string cache_dir() const { return dir_ / "cache"; }

 private:
  TempDir dir_;
  bool mounted_ = false;
};

TEST(FullDisk, TheCacheGoesOnInMemoryAndSaysSo) {
  SmallDisk disk;
  if (!disk.Mount()) GTEST_SKIP() << "mounting a tmpfs needs root";
  auto cache = MustOpen(OptionsFor(disk.cache_dir()));
  ASSERT_TRUE(cache->health().persistent) << cache->health().reason;
  for (uint64_t file = 1; file <= 400 && cache->health().persistent; ++file) {
    PutBlock(*cache, FileAttr(file), 0, Bytes(kBlockBytes, file));
    if (file % 16 == 0) cache->Flush();
  }
  EXPECT_FALSE(cache->health().persistent);
  EXPECT_THAT(cache->health().reason, HasSubstr("No space left"));
  cache->PutListing(DirAttr(1), {FileEntry("a", 10)}, {1, 1}, true);
  PutBlock(*cache, FileAttr(10), 0, "still works");
  EXPECT_THAT(Names(*cache, DirAttr(1).id), ElementsAre("a"));
  EXPECT_EQ(cache->GetBlock(FileAttr(10).id, 0)->bytes, "still works");
  EXPECT_THAT(Faults(*cache), IsEmpty());
}

TEST(FullDisk, LargeFilesThatFindNoRoomGoToMemoryToo) {
  SmallDisk disk;
  if (!disk.Mount()) GTEST_SKIP() << "mounting a tmpfs needs root";
  auto cache = MustOpen(OptionsFor(disk.cache_dir()));
  for (uint64_t i = 0; i < 100 && cache->health().persistent; ++i) {
    PutBlock(*cache, LargeAttr(1), i, Bytes(kBlockBytes, i));
  }
  EXPECT_FALSE(cache->health().persistent);
  EXPECT_THAT(cache->health().reason, HasSubstr("No space left"));
  const std::string bytes = Bytes(kBlockBytes, 1);
  PutBlock(*cache, LargeAttr(1), 0, bytes);
  EXPECT_EQ(cache->GetBlock(LargeAttr(1).id, 0)->bytes, bytes);
  EXPECT_EQ(cache->usage().blocks, 1u);
  EXPECT_THAT(Faults(*cache), IsEmpty());
}

TEST(FullDisk, MetadataThatFindsNoRoomGoesToMemoryToo) {
  SmallDisk disk;
  if (!disk.Mount()) GTEST_SKIP() << "mounting a tmpfs needs root";
  auto cache = MustOpen(OptionsFor(disk.cache_dir()));
  disk.FillUpTo(0);
  for (uint64_t i = 1; i <= 100000 && cache->health().persistent; ++i) {
    Edit edit;
    edit.PutAttr(FileAttr(i));
    cache->Commit(std::move(edit));
  }
  EXPECT_FALSE(cache->health().persistent);
  cache->PutListing(DirAttr(1), {FileEntry("a", 10)}, {1, 1}, true);
  EXPECT_THAT(Names(*cache, DirAttr(1).id), ElementsAre("a"));
}

TEST(FullDisk, ADiskThatIsFullAtOpenMeansMemory) {
  SmallDisk disk;
  if (!disk.Mount()) GTEST_SKIP() << "mounting a tmpfs needs root";
  disk.FillUpTo(0);
  auto cache = MustOpen(OptionsFor(disk.cache_dir()));
  EXPECT_FALSE(cache->health().persistent);
  EXPECT_THAT(cache->health().reason, HasSubstr(disk.cache_dir()));
  PutBlock(*cache, FileAttr(10), 0, "works");
  EXPECT_EQ(cache->GetBlock(FileAttr(10).id, 0)->bytes, "works");
}

// Keeps RocksDB's background threads of this process busy, so that memtables
// fill up and a write would have to wait.
class BusyBackground {
 public:
  BusyBackground() : running_(CountThreads()) {
    for (const auto pool : kPools) {
      for (int i = env_->GetBackgroundThreads(pool); i > 0; --i) {
        env_->Schedule(&Occupy, this, pool);
      }
    }
  }
  ~BusyBackground() {
    release_.Notify();
    running_.Wait();
  }

 private:
  static constexpr std::array kPools = {rocksdb::Env::HIGH, rocksdb::Env::LOW};

  int CountThreads() const {
    int threads = 0;
    for (const auto pool : kPools) threads += env_->GetBackgroundThreads(pool);
    return threads;
  }
  static void Occupy(void* argument) {
    auto* self = static_cast<BusyBackground*>(argument);
    self->release_.WaitForNotification();
    self->running_.DecrementCount();
  }

  rocksdb::Env* const env_ = rocksdb::Env::Default();
  absl::Notification release_;
  absl::BlockingCounter running_;
};

class DroppedEdits : public testing::Test {
 protected:
  DroppedEdits() : cache_(MustOpen(OptionsFor(dir_.path()))) {
    cache_->PutListing(kDir, {FileEntry("a", 10), FileEntry("b", 11)}, {1, 1},
                       true);
    busy_ = std::make_unique<BusyBackground>();
    for (uint64_t n = 0; cache_->counters().dropped_edits == 0; ++n) {
      Edit edit;
      for (uint64_t i = 0; i < 1000; ++i) {
        edit.PutAttr(FileAttr(100000 + 1000 * n + i));
      }
      cache_->Commit(std::move(edit));
      if (n > 1000) break;  // more than memtables can hold
    }
    dropped_before_ = cache_->counters().dropped_edits;
  }

  const Attr kDir = DirAttr(1);
  TempDir dir_;
  std::unique_ptr<Cache> cache_;
  std::unique_ptr<BusyBackground> busy_;
  uint64_t dropped_before_ = 0;
};

TEST_F(DroppedEdits, AreCountedAndNobodyWaits) {
  EXPECT_EQ(dropped_before_, 1u);
  PutBlock(*cache_, FileAttr(10), 0, "dropped");
  EXPECT_EQ(cache_->counters().dropped_edits, 2u);
  EXPECT_FALSE(cache_->GetBlock(FileAttr(10).id, 0).has_value());
  EXPECT_EQ(cache_->usage().content_bytes, 0u);
  EXPECT_TRUE(cache_->health().persistent);
}

TEST_F(DroppedEdits, MakeTheListingIncompleteUntilItIsPutAgain) {
  Edit edit;
  edit.RemoveEntry(kDir.id, "a");
  cache_->Commit(std::move(edit));
  EXPECT_EQ(cache_->Lookup(kDir.id, "a").presence, Presence::kUnknown);
  EXPECT_EQ(cache_->Lookup(kDir.id, "c").presence, Presence::kUnknown);
  EXPECT_THAT(Names(*cache_, kDir.id), ElementsAre("<incomplete>"));
  EXPECT_FALSE(cache_->GetNode(kDir.id).has_value());
  busy_.reset();
  cache_->Flush();
  cache_->PutListing(kDir, {FileEntry("b", 11)}, {2, 2}, true);
  EXPECT_THAT(Names(*cache_, kDir.id), ElementsAre("b"));
  EXPECT_EQ(cache_->Lookup(kDir.id, "a").presence, Presence::kAbsent);
}

TEST_F(DroppedEdits, HideTheAttributesThatTheyShouldHaveReplaced) {
  ASSERT_TRUE(cache_->GetNode(FileAttr(10).id).has_value());
  Edit edit;
  edit.PutAttr(FileAttr(10, 5, 2));
  cache_->Commit(std::move(edit));
  EXPECT_FALSE(cache_->GetNode(FileAttr(10).id).has_value());
  busy_.reset();
  cache_->Flush();
  EXPECT_FALSE(cache_->GetNode(FileAttr(10).id).has_value());
  Edit again;
  again.PutAttr(FileAttr(10, 5, 2));
  cache_->Commit(std::move(again));
  EXPECT_EQ(cache_->GetNode(FileAttr(10).id)->attr, FileAttr(10, 5, 2));
}

TEST_F(DroppedEdits, StayInEffectAfterReopening) {
  Edit edit;
  edit.RemoveEntry(kDir.id, "a");
  edit.PutAttr(FileAttr(11, 5, 2));
  cache_->Commit(std::move(edit));
  busy_.reset();
  cache_.reset();
  cache_ = MustOpen(OptionsFor(dir_.path()));
  EXPECT_EQ(cache_->Lookup(kDir.id, "a").presence, Presence::kUnknown);
  EXPECT_THAT(Names(*cache_, kDir.id), ElementsAre("<incomplete>"));
  EXPECT_FALSE(cache_->GetNode(FileAttr(11).id).has_value());
}

TEST_F(DroppedEdits, OfAListingLeaveNothingOfItTrusted) {
  cache_->PutListing(DirAttr(1, 2), {FileEntry("a", 20)}, {2, 2}, true);
  EXPECT_THAT(Names(*cache_, kDir.id), ElementsAre("<incomplete>"));
  EXPECT_EQ(cache_->Lookup(kDir.id, "a").presence, Presence::kUnknown);
  EXPECT_FALSE(cache_->GetNode(FileAttr(20).id).has_value());
}

}  // namespace
}  // namespace warmfs::cache
