// Files that the host cuts short, or makes longer, between what the kernel was
// told of them and what it asks.

#include "fuse/early_end.h"

#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "fuse/injected_names.h"
#include "tests/fuse/lease_fixture.h"

namespace warmfs::fuse {
namespace {

using testing::Contains;

constexpr size_t kPage = EarlyEnd::kPageBytes;

class EarlyEndTest : public LeaseTest {
 protected:
  // A file whose size the kernel was told.
  NodeId Told(size_t bytes) {
    host_.Write("f", std::string(bytes, 'a'));
    host_.Settle("f");
    const NodeId node = Find("f");
    EXPECT_EQ(GetAttr(node).size, bytes);
    return node;
  }
};

TEST_F(EarlyEndTest, IsBeforeTheEndThatTheKernelWasTold) {
  const NodeId f = Told(10'000);
  EXPECT_FALSE(EarlyEnd(*fs_, f, 0, 3 * kPage).Is(10'000)) << "the file's end";
  EXPECT_TRUE(EarlyEnd(*fs_, f, 0, 3 * kPage).Is(9'999));
  EXPECT_FALSE(EarlyEnd(*fs_, f, 0, kPage).Is(kPage)) << "all of it";
  EXPECT_TRUE(EarlyEnd(*fs_, f, kPage, kPage).Is(0));
}

TEST_F(EarlyEndTest, IsAPageThatTheKernelWouldNotAskForBeyondTheEnd) {
  const NodeId f = Told(10);
  // It has not taken in what it was told.
  EXPECT_TRUE(EarlyEnd(*fs_, f, 0, 2 * kPage).Is(10));
  EXPECT_FALSE(EarlyEnd(*fs_, f, 0, kPage).Is(10));
}

TEST_F(EarlyEndTest, AFileIsShownAsItWasWhileTheCacheHasIt) {
  const NodeId f = Told(10'000);
  EXPECT_EQ(Read(f).size(), 10'000u);
  ASSERT_EQ(truncate((host_ / "f").c_str(), 0), 0);
  TakeIn();
  TakePages();
  EXPECT_EQ(Read(f, 0, 3 * kPage), "");
  const EarlyEnd early(*fs_, f, 0, 3 * kPage);
  ASSERT_TRUE(early.Is(0));
  BlockPieces out;
  ASSERT_TRUE(early.ShowAsItWas(out));
  EXPECT_EQ(out.ToString(), std::string(10'000, 'a'));
  EXPECT_THAT(TakePages(), Contains(f)) << "it is not so any more";
}

// It would go back in time for whoever has seen that.
TEST_F(EarlyEndTest, AFileIsNotShownAsItWasBeforeWhatTheKernelWasToldOf) {
  const NodeId f = Told(10'000);
  EXPECT_EQ(Read(f).size(), 10'000u);
  ASSERT_EQ(truncate((host_ / "f").c_str(), 9'999), 0);
  TakeIn();
  BlockPieces out;
  EXPECT_TRUE(EarlyEnd(*fs_, f, 0, 3 * kPage).ShowAsItWas(out));
  EXPECT_EQ(Read(f, 0, 100).size(), 100u) << "of what it is now";
  EXPECT_FALSE(EarlyEnd(*fs_, f, 0, 3 * kPage).ShowAsItWas(out));
}

TEST_F(EarlyEndTest, WhatTheCacheDoesNotHaveIsNotShown) {
  const NodeId f = Told(10'000);
  host_.Write("f", "");
  TakeIn();
  BlockPieces out;
  EXPECT_FALSE(EarlyEnd(*fs_, f, 0, 3 * kPage).ShowAsItWas(out));
  EarlyEnd(*fs_, f, 0, kPage).Accept(0);
  EXPECT_FALSE(EarlyEnd(*fs_, f, 0, 1).Is(1));
  EXPECT_EQ(fs_->tree().told(f).at_most, 0u);
}

TEST_F(EarlyEndTest, ThatAFileIsLongerIsToldOnceItsPagesAreDropped) {
  const NodeId f = Told(10);
  EXPECT_EQ(Read(f).size(), 10u);
  host_.Write("f", std::string(20, 'b'));
  hold_drops_ = true;
  TakeIn();
  auto entry = fs_->GetAttr(*channel_, f);
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(entry->attr.size, 10u);
  EXPECT_EQ(entry->valid_for, absl::ZeroDuration()) << "it is asked again";
  CarryDrop(f);
  entry = fs_->GetAttr(*channel_, f);
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(entry->attr.size, 20u);
  EXPECT_GT(entry->valid_for, absl::ZeroDuration());
}

// As one is that is written beside another, and then takes its name. And who
// maps it by the answer is to find what is new.
TEST_F(EarlyEndTest, AFileThatNobodyHasReadIsNotShownAsItWasBeforeItGrew) {
  const NodeId f = Told(10);
  host_.Write("f", std::string(20, 'b'));
  hold_drops_ = true;
  TakeIn();
  const Entry looked_up = Look(kRootNode, "f");
  EXPECT_EQ(looked_up.attr.size, 10u);
  EXPECT_EQ(looked_up.valid_for, absl::ZeroDuration()) << "it is asked for";
  std::atomic<bool> dropped = false;
  std::thread kernel([&] {
    absl::SleepFor(absl::Milliseconds(5));
    dropped = true;
    CarryDrop(f);
  });
  EXPECT_EQ(GetAttr(f).size, 20u);
  EXPECT_TRUE(dropped);
  kernel.join();
}

// An answer of the host is not older than the question.
TEST_F(EarlyEndTest, WhoHasAskedTheHostWaitsUntilTheAnswerMayBeTold) {
  const NodeId f = Told(10);
  EXPECT_EQ(Read(f).size(), 10u);
  host_.Write("f", std::string(20, 'b'));
  fs_->FollowJournal(fs_->journal(), /*moved_on=*/true);
  Expire();
  hold_drops_ = true;
  std::atomic<bool> answered = false, dropped = false;
  std::thread kernel([&] {
    while (!answered && !fs_->drops().Pending(f)) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    if (answered) return;
    dropped = true;
    CarryDrop(f);
  });
  EXPECT_EQ(GetAttr(f).size, 20u);
  EXPECT_TRUE(dropped);
  answered = true;
  kernel.join();
}

TEST_F(EarlyEndTest, ThatAFileIsShorterIsShownAtOnceButNotToldToTheKernel) {
  const NodeId f = Told(20);
  host_.Write("f", std::string(10, 'b'));
  hold_drops_ = true;
  TakeIn();
  const auto entry = fs_->GetAttr(*channel_, f);
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(entry->attr.size, 10u);
  EXPECT_TRUE(entry->for_caller_only);
  EXPECT_EQ(entry->valid_for, absl::ZeroDuration());
  EXPECT_TRUE(EarlyEnd(*fs_, f, 0, kPage).Is(10)) << "it takes it to be longer";
  EXPECT_EQ(Look(kRootNode, "f").attr.size, 20u) << "nobody is shown this one";
}

TEST_F(EarlyEndTest, ThatAFileIsShorterIsToldOnceItsPagesAreLongDropped) {
  const NodeId f = Told(20);
  host_.Write("f", std::string(10, 'b'));
  TakeIn();
  fs_->NoteDropped(f, /*pages=*/true);
  clock_.Step(absl::Milliseconds(999));
  fs_->NoteDropped(f, /*pages=*/false);  // as each answer that only shows it
  EXPECT_TRUE(fs_->GetAttr(*channel_, f)->for_caller_only);
  clock_.Step(absl::Milliseconds(1));
  const auto entry = fs_->GetAttr(*channel_, f);
  EXPECT_FALSE(entry->for_caller_only);
  EXPECT_EQ(entry->attr.size, 10u);
  EXPECT_GT(entry->valid_for, absl::ZeroDuration());
  EXPECT_FALSE(EarlyEnd(*fs_, f, 0, kPage).Is(10));
}

TEST_F(EarlyEndTest, WhatTheInjectorHasShortenedIsKnownToBeShorter) {
  const NodeId f = Told(20);
  const fuse::Told long_ago = fs_->tree().told(f);
  host_.Write("f", std::string(10, 'b'));
  TakeIn();
  fs_->NoteDropped(f, /*pages=*/true);
  EXPECT_TRUE(fs_->GetAttr(*channel_, f)->for_caller_only);
  InjectedNames names(*fs_);
  names.NoteShorter({f, 10, long_ago});
  EXPECT_TRUE(EarlyEnd(*fs_, f, 0, kPage).Is(10)) << "told other things since";
  names.NoteShorter({f, 10, fs_->tree().told(f)});
  EXPECT_FALSE(EarlyEnd(*fs_, f, 0, kPage).Is(10));
  EXPECT_FALSE(fs_->GetAttr(*channel_, f)->for_caller_only);
}

TEST_F(EarlyEndTest, TheKernelBelievesTheAnswerToItsOwnChange) {
  const NodeId f = Told(20);
  fs_->NoteDropped(f, /*pages=*/true);
  const auto entry = fs_->SetAttr(*channel_, f, {.size = 10});
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(entry->attr.size, 10u);
  EXPECT_FALSE(entry->for_caller_only);
  EXPECT_EQ(fs_->tree().told(f).at_most, 10u);
}

TEST_F(EarlyEndTest, WhatAProgramHereHasWrittenTheKernelHasInByItself) {
  const NodeId f = Told(20);
  ASSERT_TRUE(fs_->Write(*channel_, f, 20, "more", /*append=*/false).ok());
  EXPECT_EQ(fs_->tree().told(f).at_most, 24u);
  EXPECT_EQ(fs_->tree().told(f).at_least, 24u);
}

TEST_F(EarlyEndTest, WhatTheHostHasWrittenMeanwhileItHasNot) {
  const NodeId f = Told(20);
  host_.Write("f", std::string(30, 'b'));
  ASSERT_TRUE(fs_->Write(*channel_, f, 0, "more", /*append=*/false).ok());
  EXPECT_EQ(fs_->tree().told(f).at_most, 30u);
  EXPECT_EQ(fs_->tree().told(f).at_least, 20u);
  EXPECT_THAT(TakePages(), Contains(f));
}

TEST_F(EarlyEndTest, AnEndIsNotBelievedIfAnythingWasDroppedSinceTheReadBegan) {
  const NodeId f = Told(20);
  const EarlyEnd early(*fs_, f, 0, kPage);
  EXPECT_FALSE(early.IsCrossed());
  fs_->NoteDropped(f, /*pages=*/false);
  EXPECT_TRUE(early.IsCrossed());
  clock_.Step(absl::Nanoseconds(1));
  EXPECT_FALSE(EarlyEnd(*fs_, f, 0, kPage).IsCrossed());
}

}  // namespace
}  // namespace warmfs::fuse
