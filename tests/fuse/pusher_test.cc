// What the kernel is given unasked, and what it is never given.

#include "fuse/pusher.h"

#include "tests/fuse/lease_fixture.h"

namespace warmfs::fuse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class PusherTest : public LeaseTest {
 protected:
  static constexpr int kFiles = 10;

  // A directory whose files are all in the cache, as in a new mount.
  void MakeFiles() {
    host_.MakeDir("d");
    for (int i = 0; i < kFiles; ++i) {
      host_.Write(Name(i), "content " + std::to_string(i));
    }
    host_.Settle(Name(kFiles - 1));
    TakeIn();
    for (int i = 0; i < kFiles; ++i) Read(Find(Name(i)));
    Remount();
    names_ = Names(Find("d"));
    for (const std::string& name : names_) Find("d/" + name);
  }
  static std::string Name(int i) { return "d/" + std::to_string(i); }
  NodeId File(size_t i) { return fs_->tree().Find(IdOf(i)); }
  FileId IdOf(size_t i) { return GetAttr(Find("d/" + names_[i])).id; }

  // Reads the first of them, and pushes to the end.
  void PushAfterTheFirst(int files) {
    pusher_ = std::make_unique<Pusher>(
        *fs_, Pusher::Kernel{
                  .store =
                      [this](NodeId node, std::string_view content) {
                        stored_.emplace_back(node, content);
                        if (during_store_) during_store_(node);
                        return true;
                      },
                  .drop = [this](NodeId node) { dropped_.push_back(node); }});
    pusher_->Add({File(0), files});
    while (pusher_->Step()) {
    }
  }

  std::vector<std::string> names_;  // in the directory's order
  std::function<void(NodeId)> during_store_;
  std::vector<std::pair<NodeId, std::string>> stored_;
  std::vector<NodeId> dropped_;
  std::unique_ptr<Pusher> pusher_;
};

TEST_F(PusherTest, WhatFollowsIsPushedButForTheLastOfTheBatch) {
  MakeFiles();
  const uint64_t work = Work();
  PushAfterTheFirst(4);
  ASSERT_THAT(stored_, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(stored_[i].first, File(i + 1));
    EXPECT_EQ(stored_[i].second, "content " + names_[i + 1]);
  }
  EXPECT_EQ(pusher_->files(), 3u);
  EXPECT_EQ(Work(), work);
}

TEST_F(PusherTest, AfterTheEndOfTheDirectoryComesItsStart) {
  MakeFiles();
  pusher_.reset();
  PushAfterTheFirst(100);
  EXPECT_THAT(stored_, SizeIs(kFiles - 2)) << "all but that one and the last";
}

TEST_F(PusherTest, WhatTheKernelHasIsNotPushedAgain) {
  MakeFiles();
  Read(File(1));
  PushAfterTheFirst(4);
  ASSERT_THAT(stored_, SizeIs(3));
  EXPECT_EQ(stored_[0].first, File(2));
  PushAfterTheFirst(4);
  ASSERT_THAT(stored_, SizeIs(6));
  EXPECT_EQ(stored_[3].first, File(5)) << "what follows those";
}

TEST_F(PusherTest, WhereNothingCanBePushedItIsTriedLessOften) {
  MakeFiles();
  Remount();
  PushAfterTheFirst(4);
  EXPECT_THAT(stored_, IsEmpty()) << "the kernel knows the first only";
  for (const std::string& name : names_) Find("d/" + name);
  EXPECT_FALSE(pusher_->Add({File(0), 4})) << "the first is left alone";
  EXPECT_TRUE(pusher_->Add({File(0), 4}));
  while (pusher_->Step()) {
  }
  EXPECT_THAT(stored_, SizeIs(3));
}

TEST_F(PusherTest, WhatTheVmHasChangedIsNotPushed) {
  MakeFiles();
  ASSERT_TRUE(fs_->Write(*channel_, File(1), 0, "C", false).ok());
  Read(File(1));
  PushAfterTheFirst(4);
  ASSERT_THAT(stored_, SizeIs(2));
  EXPECT_EQ(stored_[0].first, File(2));
}

TEST_F(PusherTest, AChangeThatCameBetweenHasThePagesDropped) {
  MakeFiles();
  during_store_ = [this](NodeId node) {
    if (node != File(1)) return;
    ASSERT_TRUE(fs_->Write(*channel_, node, 0, "C", false).ok());
  };
  PushAfterTheFirst(4);
  EXPECT_THAT(dropped_, ElementsAre(File(1)));
  EXPECT_EQ(pusher_->files(), 2u);
}

TEST_F(PusherTest, AnEventThatCameBetweenHasThePagesDropped) {
  MakeFiles();
  during_store_ = [this](NodeId node) {
    if (node != File(1)) return;
    host_.Write("d/" + names_[1], "something else");
    TakeIn();
  };
  PushAfterTheFirst(4);
  EXPECT_THAT(dropped_, ElementsAre(File(1)));
}

TEST_F(PusherTest, WithoutALeaseNothingIsPushed) {
  MakeFiles();
  fs_->FollowJournal(0);
  PushAfterTheFirst(4);
  EXPECT_THAT(stored_, IsEmpty());
}

TEST_F(PusherTest, OneWhoReadsInTheBatchIsPlannedForAlready) {
  MakeFiles();
  PushAfterTheFirst(4);
  EXPECT_FALSE(pusher_->Add({File(2), 8}));
  EXPECT_TRUE(pusher_->Add({File(4), 8})) << "the last of it asks for more";
}

}  // namespace
}  // namespace warmfs::fuse
