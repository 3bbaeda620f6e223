// What is noted of host locks, compared with a plain model: each byte by
// itself.

#include "fuse/held_locks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <map>
#include <random>
#include <utility>

namespace warmfs::fuse {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kFirst = 11, kSecond = 22;  // incarnations

LockRequest Request(LockType type, uint64_t start, uint64_t length,
                    uint64_t owner = 1, LockKind kind = LockKind::kPosix) {
  LockRequest request;
  request.owner = owner;
  request.kind = kind;
  request.type = type;
  request.start = start;
  request.length = length;
  return request;
}

TEST(HeldLocksTest, WhatIsNotedIsWhatAKernelWouldHold) {
  constexpr uint64_t kBytes = 40;
  constexpr int kFree = -1;
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    HeldLocks locks;
    std::map<std::pair<NodeId, uint64_t>, std::array<int, kBytes>> model;
    for (NodeId node : {1, 2}) {
      for (uint64_t owner : {1, 2}) model[{node, owner}].fill(kFree);
    }
    for (int step = 0; step < 40; ++step) {
      const NodeId node = 1 + random() % 2;
      const uint64_t owner = 1 + random() % 2;
      const uint64_t start = random() % kBytes;
      const uint64_t length = 1 + random() % (kBytes - start);
      const auto type = static_cast<LockType>(random() % 3);
      const LockRequest request = Request(type, start, length, owner);
      const bool unlock = type == LockType::kUnlock;
      if (unlock) {
        locks.Drop(node, request);
      } else {
        ASSERT_TRUE(locks.Add(node, request, kFirst));
      }
      for (uint64_t i = start; i < start + length; ++i) {
        model[{node, owner}][i] = unlock ? kFree : static_cast<int>(type);
      }
    }
    auto found = model;
    for (auto& [key, bytes] : found) bytes.fill(kFree);
    const std::vector<HeldLock> held = locks.Follow(kFirst);
    EXPECT_THAT(held, SizeIs(locks.size()));
    for (const HeldLock& lock : held) {
      auto& bytes = found[{lock.node, lock.request.owner}];
      const uint64_t start = lock.request.start;
      const int type = static_cast<int>(lock.request.type);
      ASSERT_TRUE(start == 0 || bytes[start - 1] != type) << "not joined";
      for (uint64_t i = start; i < start + lock.request.length; ++i) {
        ASSERT_EQ(bytes[i], kFree) << "twice";
        bytes[i] = type;
      }
    }
    ASSERT_EQ(found, model) << "round " << round;
  }
}

TEST(HeldLocksTest, ARangeToTheEndStaysOneWhenItIsCut) {
  HeldLocks locks;
  ASSERT_TRUE(locks.Add(1, Request(LockType::kWrite, 10, 0), kFirst));
  locks.Drop(1, Request(LockType::kUnlock, 20, 5));
  const auto held = locks.Follow(kFirst);
  ASSERT_THAT(held, SizeIs(2));
  EXPECT_EQ(held[0].request.start, 10u);
  EXPECT_EQ(held[0].request.length, 10u);
  EXPECT_EQ(held[1].request.start, 25u);
  EXPECT_EQ(held[1].request.length, 0u);
}

TEST(HeldLocksTest, AFlockIsOfTheWholeFileAndOfItsOwnKind) {
  HeldLocks locks;
  const auto flock = [](LockType type) {
    return Request(type, 0, 0, 1, LockKind::kFlock);
  };
  ASSERT_TRUE(locks.Add(1, flock(LockType::kRead), kFirst));
  ASSERT_TRUE(locks.Add(1, flock(LockType::kWrite), kFirst));
  ASSERT_TRUE(locks.Add(1, Request(LockType::kWrite, 3, 4), kFirst));
  locks.Drop(1, flock(LockType::kUnlock));
  const auto held = locks.Follow(kFirst);
  ASSERT_THAT(held, SizeIs(1));
  EXPECT_EQ(held[0].request.kind, LockKind::kPosix);
}

TEST(HeldLocksTest, AnOwnerIsNotedUntilItHasGivenEverythingBack) {
  HeldLocks locks;
  const LockRequest part = Request(LockType::kUnlock, 0, 10);
  const LockRequest all = Request(LockType::kUnlock, 0, 0);
  EXPECT_FALSE(locks.Drop(1, all));
  ASSERT_TRUE(locks.Add(1, Request(LockType::kWrite, 0, 10), kFirst));
  EXPECT_TRUE(locks.Drop(1, part));
  EXPECT_EQ(locks.size(), 0u);
  EXPECT_TRUE(locks.Drop(1, part)) << "the host has its descriptor still";
  EXPECT_TRUE(locks.Drop(1, all));
  EXPECT_FALSE(locks.Drop(1, all));
  locks.Doubt(1, all);
  EXPECT_THAT(locks.Follow(kFirst), IsEmpty());
  EXPECT_TRUE(locks.Drop(1, all));
}

TEST(HeldLocksTest, AGrantOfAHostThatHasBeenFollowedIsRefused) {
  HeldLocks locks;
  ASSERT_TRUE(locks.Add(1, Request(LockType::kWrite, 0, 1), kFirst));
  EXPECT_THAT(locks.Follow(kSecond), SizeIs(1));
  EXPECT_FALSE(locks.Add(1, Request(LockType::kWrite, 5, 1), kFirst));
  EXPECT_TRUE(locks.Add(1, Request(LockType::kWrite, 5, 1), kSecond));
  EXPECT_EQ(locks.size(), 2u);
}

TEST(HeldLocksTest, ALostLockIsNotedUntilItsOwnerGivesItBack) {
  HeldLocks locks;
  ASSERT_TRUE(locks.Add(1, Request(LockType::kWrite, 0, 10), kFirst));
  ASSERT_TRUE(locks.Add(1, Request(LockType::kWrite, 20, 10), kFirst));
  locks.Lose(locks.Follow(kSecond)[0], EAGAIN);
  ASSERT_THAT(locks.lost(), SizeIs(1));
  EXPECT_EQ(locks.lost()[0].request.start, 0u);
  EXPECT_EQ(locks.lost()[0].error, EAGAIN);
  EXPECT_THAT(locks.Follow(kSecond), SizeIs(1)) << "it is not asked for again";
  locks.Drop(1, Request(LockType::kUnlock, 0, 4));
  EXPECT_THAT(locks.lost(), SizeIs(1));
  EXPECT_TRUE(locks.Add(1, Request(LockType::kWrite, 4, 6), kSecond));
  EXPECT_THAT(locks.lost(), IsEmpty()) << "granted anew";
}

TEST(HeldLocksTest, WhatWasGivenBackMeanwhileIsNotLost) {
  HeldLocks locks;
  ASSERT_TRUE(locks.Add(1, Request(LockType::kWrite, 0, 10), kFirst));
  const HeldLock asked = locks.Follow(kSecond)[0];
  locks.Drop(1, Request(LockType::kUnlock, 0, 8));
  locks.Lose(asked, EAGAIN);
  ASSERT_THAT(locks.lost(), SizeIs(1));
  EXPECT_EQ(locks.lost()[0].request.start, 8u);
  locks.Drop(1, Request(LockType::kUnlock, 0, 0));
  locks.Lose(asked, EAGAIN);
  EXPECT_THAT(locks.lost(), IsEmpty());
  EXPECT_EQ(locks.size(), 0u);
}

}  // namespace
}  // namespace warmfs::fuse
