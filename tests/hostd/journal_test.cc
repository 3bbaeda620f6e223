// Positions, epochs, bounds, and who waits for how long.

#include "hostd/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <thread>

#include "absl/time/clock.h"

namespace warmfs::hostd {
namespace {

constexpr uint32_t kLongMs = 25'000;

void Append(Journal& journal, int count, uint64_t owner = 0,
            size_t name_bytes = 1) {
  std::vector<Journal::Item> items(static_cast<size_t>(count));
  for (Journal::Item& item : items) {
    item.event.name = std::string(name_bytes, 'n');
    item.owner = owner;
  }
  journal.Append(&items);
  EXPECT_TRUE(items.empty());
}

TEST(JournalTest, EventsAreNumberedFromOneWithoutAGap) {
  Journal journal({});
  const JournalPos start = journal.head();
  EXPECT_EQ(start.sequence, 0u);
  EXPECT_NE(start.journal_id, 0u);
  Append(journal, 3);
  Append(journal, 2);
  const NextReply reply = journal.Next(1, {.after = start});
  EXPECT_FALSE(reply.new_epoch);
  ASSERT_EQ(reply.events.size(), 5u);
  for (uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(reply.events[i].sequence, i + 1);
  }
  EXPECT_EQ(reply.pos, journal.head());
  EXPECT_TRUE(journal.Next(1, {.after = reply.pos}).events.empty());
}

TEST(JournalTest, ALimitedAnswerGoesOnWhereItEnded) {
  Journal journal({});
  JournalPos pos = journal.head();
  Append(journal, 10);
  uint64_t expected = 0;
  for (int i = 0; i < 4; ++i) {
    const NextReply reply = journal.Next(1, {.after = pos, .max_events = 3});
    for (const Event& event : reply.events) {
      EXPECT_EQ(event.sequence, ++expected);
    }
    EXPECT_EQ(reply.pos.sequence, expected);
    pos = reply.pos;
  }
  EXPECT_EQ(expected, 10u);
}

TEST(JournalTest, AnAnswerIsBoundedInBytes) {
  Journal journal({});
  const JournalPos start = journal.head();
  Append(journal, 4096, 0, 255);
  const NextReply reply =
      journal.Next(1, {.after = start, .max_events = UINT32_MAX});
  EXPECT_LT(reply.events.size(), 4096u);
  EXPECT_GT(reply.events.size(), 500u);
}

TEST(JournalTest, WhatIsKeptCanBeResumedAndNothingBefore) {
  Journal journal({.events = 4, .bytes = 1 << 20});
  const JournalPos start = journal.head();
  Append(journal, 6);
  for (uint64_t after = 0; after <= 6; ++after) {
    const NextReply reply =
        journal.Next(1, {.after = {start.journal_id, after}});
    EXPECT_EQ(reply.new_epoch, after < 2) << after;
    EXPECT_EQ(reply.events.size(), after < 2 ? 0 : 6 - after);
    EXPECT_EQ(reply.pos, journal.head());
  }
}

TEST(JournalTest, BytesAreBoundedToo) {
  Journal journal({.events = 1000, .bytes = 10'000});
  const JournalPos start = journal.head();
  Append(journal, 100, 0, 200);
  EXPECT_TRUE(journal.Next(1, {.after = start}).new_epoch);
  EXPECT_TRUE(journal.Next(1, {.after = {start.journal_id, 50}}).new_epoch);
  EXPECT_FALSE(journal.Next(1, {.after = {start.journal_id, 99}}).new_epoch);
}

TEST(JournalTest, AnotherJournalAndTheFutureAreANewEpoch) {
  Journal journal({});
  Append(journal, 2);
  const JournalPos head = journal.head();
  for (const JournalPos& after :
       {JournalPos{}, JournalPos{head.journal_id + 1, 1},
        JournalPos{head.journal_id, 3},
        JournalPos{head.journal_id, UINT64_MAX}}) {
    const NextReply reply =
        journal.Next(1, {.after = after, .wait_ms = kLongMs});
    EXPECT_TRUE(reply.new_epoch);
    EXPECT_EQ(reply.pos, head);
    EXPECT_TRUE(reply.events.empty());
  }
}

TEST(JournalTest, ANewEpochHasAnotherIdAndNoEvents) {
  Journal journal({});
  Append(journal, 2);
  const JournalPos old = journal.head();
  journal.NewEpoch();
  EXPECT_NE(journal.head().journal_id, old.journal_id);
  EXPECT_EQ(journal.head().sequence, 0u);
  EXPECT_TRUE(journal.Next(1, {.after = old}).new_epoch);
}

TEST(JournalTest, OwnIsToldToTheOwnerOnly) {
  Journal journal({});
  const JournalPos start = journal.head();
  Append(journal, 1, /*owner=*/7);
  Append(journal, 1);
  const NextReply own = journal.Next(7, {.after = start});
  EXPECT_TRUE(own.events[0].own);
  EXPECT_FALSE(own.events[1].own);
  EXPECT_FALSE(journal.Next(8, {.after = start}).events[0].own);
}

// --- going on from an earlier hostd's ---

TEST(JournalTest, PositionsOfAnEarlierHostdGoOnWithTheFirstEvent) {
  constexpr uint64_t kId = 7, kKept = 100;
  Journal journal({}, JournalPos{kId, kKept});
  const JournalPos first{kId, kKept + Journal::kLife};
  EXPECT_EQ(journal.head(), first);
  // At what was kept, behind it, and as far as that hostd can have come.
  const uint64_t earlier[] = {kKept, kKept + 5, first.sequence - 1};
  for (const uint64_t sequence : earlier) {
    const NextReply reply = journal.Next(1, {.after = {kId, sequence}});
    EXPECT_FALSE(reply.new_epoch) << sequence;
    EXPECT_TRUE(reply.events.empty());
    EXPECT_EQ(reply.pos, first);
  }
  Append(journal, 2);
  for (const uint64_t sequence : earlier) {
    const NextReply reply = journal.Next(1, {.after = {kId, sequence}});
    ASSERT_EQ(reply.events.size(), 2u) << sequence;
    EXPECT_EQ(reply.events[0].sequence, first.sequence + 1);
  }
  EXPECT_EQ(journal.Next(1, {.after = {kId, first.sequence + 1}}).events.size(),
            1u);
}

TEST(JournalTest, WhatTheEarlierHostdHadInMemoryOnlyIsANewEpoch) {
  Journal journal({}, JournalPos{7, 100});
  EXPECT_TRUE(journal.Next(1, {.after = {7, 99}}).new_epoch);
  EXPECT_TRUE(journal.Next(1, {.after = {8, 100}}).new_epoch);
  Append(journal, 1);
  journal.NewEpoch();
  EXPECT_TRUE(journal.Next(1, {.after = {7, 100}}).new_epoch);
  const uint64_t id = journal.head().journal_id;
  EXPECT_NE(id, 7u);
  EXPECT_TRUE(journal.Next(1, {.after = {id, 100}}).new_epoch);
}

TEST(JournalTest, TheFirstEventsOfARestartAreBoundedToo) {
  Journal journal({.events = 4, .bytes = 1 << 20}, JournalPos{7, 100});
  Append(journal, 5);
  EXPECT_TRUE(journal.Next(1, {.after = {7, 100}}).new_epoch);
}

// --- waiting ---

class WaitingTest : public testing::Test {
 protected:
  // Runs `act` as soon as somebody waits.
  template <typename Act>
  NextReply NextWhile(Act act) {
    const JournalPos head = journal_.head();
    journal_.TakeAsked();  // of earlier calls
    std::thread other([&] {
      while (!journal_.TakeAsked()) std::this_thread::yield();
      act();
    });
    NextReply reply = journal_.Next(1, {.after = head, .wait_ms = kLongMs});
    other.join();
    return reply;
  }
  Journal journal_{Journal::Limits()};
};

TEST_F(WaitingTest, AnEventEndsTheWait) {
  EXPECT_EQ(NextWhile([&] { Append(journal_, 1); }).events.size(), 1u);
}

TEST_F(WaitingTest, OwnEventsComeAtOnceWithThoseOfOthers) {
  const NextReply reply = NextWhile([&] {
    std::vector<Journal::Item> items(3);
    items[0].owner = items[1].owner = 1;
    items[2].owner = 2;
    journal_.Append(&items);
  });
  ASSERT_EQ(reply.events.size(), 3u);
  EXPECT_TRUE(reply.events[1].own);
  EXPECT_FALSE(reply.events[2].own);
}

TEST_F(WaitingTest, OwnEventsInNumbersEndTheWait) {
  const NextReply reply = NextWhile([&] {
    Append(journal_, static_cast<int>(Journal::kOwnBatch), /*owner=*/1);
  });
  EXPECT_EQ(reply.events.size(), Journal::kOwnBatch);
}

TEST_F(WaitingTest, OwnEventsLingerAndNoLonger) {
  const absl::Time start = absl::Now();
  const NextReply reply = NextWhile([&] { Append(journal_, 1, /*owner=*/1); });
  EXPECT_EQ(reply.events.size(), 1u);
  EXPECT_GE(absl::Now() - start, Journal::kOwnLinger);
}

// Whoever fences waits for the cursor: a call that comes later does not linger
// over what is before the fence either.
TEST_F(WaitingTest, AFenceEndsTheLingering) {
  const JournalPos start = journal_.head();
  Append(journal_, 1, /*owner=*/1);
  EXPECT_EQ(journal_.Fence().sequence, 1u);
  EXPECT_EQ(journal_.Next(1, {.after = start, .wait_ms = 0}).events.size(), 1u);
  const NextReply reply = NextWhile([&] {
    Append(journal_, 1, /*owner=*/1);
    journal_.Fence();
  });
  EXPECT_EQ(reply.events.size(), 1u);
}

TEST_F(WaitingTest, ANewEpochEndsTheWait) {
  EXPECT_TRUE(NextWhile([&] { journal_.NewEpoch(); }).new_epoch);
}

TEST_F(WaitingTest, CloseEndsTheWaitAndAllLaterOnes) {
  EXPECT_EQ(NextWhile([&] { journal_.Close(); }).error, ESHUTDOWN);
  EXPECT_EQ(
      journal_.Next(1, {.after = journal_.head(), .wait_ms = kLongMs}).error,
      ESHUTDOWN);
}

TEST_F(WaitingTest, TimeEndsTheWait) {
  const absl::Time start = absl::Now();
  const JournalPos head = journal_.head();
  const NextReply reply = journal_.Next(1, {.after = head, .wait_ms = 30});
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(29));
  EXPECT_EQ(reply.error, 0);
  EXPECT_EQ(reply.pos, head);
  EXPECT_FALSE(reply.new_epoch);
}

// A client whose connection broke asks again on another; the call that nobody
// will hear the answer of does not go on waiting. Nor can one client keep many.
TEST_F(WaitingTest, OfOneClientOnlyTheLatestCallWaits) {
  const JournalPos head = journal_.head();
  constexpr int kCalls = 8;
  std::atomic<int> ended = 0;
  std::vector<std::thread> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.emplace_back([&] {
      journal_.Next(1, {.after = head, .wait_ms = kLongMs});
      ++ended;
    });
  }
  while (ended < kCalls - 1) std::this_thread::yield();
  Append(journal_, 1);
  for (std::thread& call : calls) call.join();
  EXPECT_EQ(ended, kCalls);
}

TEST_F(WaitingTest, AskedIsRememberedAndWaitingCounts) {
  EXPECT_FALSE(journal_.TakeAsked());
  journal_.Next(1, {});
  EXPECT_TRUE(journal_.TakeAsked());
  EXPECT_FALSE(journal_.TakeAsked());
  NextWhile([&] {
    EXPECT_TRUE(journal_.TakeAsked());
    EXPECT_TRUE(journal_.TakeAsked());
    journal_.NewEpoch();
  });
}

}  // namespace
}  // namespace warmfs::hostd
