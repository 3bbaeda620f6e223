// Locks by fcntl's and flock's rules, against a model that has an owner for
// each byte; and what hostd makes of them for its clients.

#include "hostd/lock_table.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "hostd/host_locks.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

class LockTableTest : public testing::Test {
 protected:
  static LockRequest Request(uint64_t owner, LockType type, uint64_t start = 0,
                             uint64_t length = 0) {
    LockRequest request;
    request.node.id = {1, 2};
    request.owner = owner;
    request.type = type;
    request.start = start;
    request.length = length;
    return request;
  }
  int Set(uint64_t owner, LockType type, uint64_t start = 0,
          uint64_t length = 0) {
    return table_.Set(&client_, Request(owner, type, start, length));
  }

  LockTable table_;
  const int client_ = 0, other_ = 0;
};

TEST_F(LockTableTest, OwnersAndClientsExcludeEachOther) {
  ASSERT_EQ(Set(1, LockType::kWrite, 0, 5), 0);
  EXPECT_EQ(Set(2, LockType::kRead, 4, 2), kEAGAIN);
  EXPECT_EQ(table_.Set(&other_, Request(1, LockType::kRead)), kEAGAIN);
  EXPECT_EQ(Set(2, LockType::kWrite, 5, 5), 0) << "beside it";
  EXPECT_EQ(Set(1, LockType::kRead, 0, 5), 0) << "downgrade";
  EXPECT_EQ(Set(2, LockType::kRead, 0, 5), 0);
  EXPECT_EQ(Set(1, LockType::kWrite, 0, 5), kEAGAIN) << "there is a reader";
}

TEST_F(LockTableTest, WhatIsUnlockedInTheMiddleLeavesBothSides) {
  ASSERT_EQ(Set(1, LockType::kWrite), 0);
  ASSERT_EQ(Set(1, LockType::kUnlock, 10, 10), 0);
  EXPECT_EQ(Set(2, LockType::kWrite, 10, 10), 0);
  EXPECT_EQ(Set(2, LockType::kWrite, 9, 1), kEAGAIN);
  EXPECT_EQ(Set(2, LockType::kWrite, 1'000'000, 1), kEAGAIN);
  EXPECT_EQ(table_.size(&client_), 3u);
  ASSERT_EQ(Set(1, LockType::kUnlock), 0);
  ASSERT_EQ(Set(2, LockType::kUnlock), 0);
  EXPECT_EQ(table_.size(&client_), 0u);
}

TEST_F(LockTableTest, WhatLiesSideBySideIsOne) {
  for (uint64_t i : {4, 0, 2, 6, 8, 1, 3, 5, 7, 9}) {
    ASSERT_EQ(Set(1, LockType::kWrite, i, 1), 0);
  }
  EXPECT_EQ(table_.size(&client_), 1u);
}

TEST_F(LockTableTest, TestTellsWhatIsInTheWay) {
  ASSERT_EQ(Set(1, LockType::kWrite, 3, 4), 0);
  const LockReply found = table_.Test(&client_, Request(2, LockType::kRead));
  EXPECT_EQ(found.type, LockType::kWrite);
  EXPECT_EQ(found.start, 3u);
  EXPECT_EQ(found.length, 4u);
  EXPECT_EQ(table_.Test(&client_, Request(1, LockType::kRead)).type,
            LockType::kUnlock);
  EXPECT_EQ(table_.Test(&other_, Request(1, LockType::kRead, 7, 1)).type,
            LockType::kUnlock);
}

TEST_F(LockTableTest, FlockIsAnotherKindAndOfTheWholeFile) {
  LockRequest flock = Request(1, LockType::kWrite, 5, 1);
  flock.kind = LockKind::kFlock;
  ASSERT_EQ(table_.Set(&client_, flock), 0);
  EXPECT_EQ(Set(2, LockType::kWrite), 0);
  flock.owner = 2;
  flock.start = 100;
  EXPECT_EQ(table_.Set(&client_, flock), kEAGAIN);
}

TEST_F(LockTableTest, AClientsLocksEndWithItAndNoOthers) {
  ASSERT_EQ(Set(1, LockType::kWrite, 0, 1), 0);
  ASSERT_EQ(table_.Set(&other_, Request(1, LockType::kWrite, 1, 1)), 0);
  table_.Drop(&client_);
  EXPECT_EQ(table_.size(&client_), 0u);
  EXPECT_EQ(Set(2, LockType::kWrite, 0, 1), 0);
  EXPECT_EQ(Set(2, LockType::kWrite, 1, 1), kEAGAIN);
}

TEST_F(LockTableTest, OneClientHasNotAllThatThereIs) {
  int error = 0;
  for (uint64_t i = 0; error == 0 && i <= LockTable::kMostOfClient; ++i) {
    error = Set(1, LockType::kWrite, 2 * i, 1);
  }
  EXPECT_EQ(error, kENOLCK);
  EXPECT_EQ(table_.Set(&other_, Request(1, LockType::kWrite, 1, 1)), 0);
  EXPECT_EQ(Set(1, LockType::kUnlock), 0);
  EXPECT_EQ(Set(1, LockType::kWrite, 4, 1), 0);
}

TEST_F(LockTableTest, GarbageIsRefused) {
  EXPECT_EQ(CheckLock(Request(1, LockType::kWrite, UINT64_MAX, 1)), kEINVAL);
  EXPECT_EQ(CheckLock(Request(1, LockType::kWrite, 1, INT64_MAX)), kEINVAL);
  EXPECT_EQ(CheckLock(Request(1, static_cast<LockType>(7))), kEINVAL);
  EXPECT_EQ(CheckLock(Request(1, LockType::kWrite, 1, INT64_MAX - 1)), 0);
}

TEST_F(LockTableTest, AsAModelOfSingleBytesHasIt) {
  constexpr uint64_t kBytes = 24;
  constexpr uint64_t kOwners = 3;
  std::mt19937 random(5);
  // What each owner has of each byte.
  std::array<std::array<LockType, kBytes>, kOwners> model;
  for (auto& owner : model) owner.fill(LockType::kUnlock);
  const auto below = [&](uint64_t n) { return random() % n; };
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t owner = below(kOwners), start = below(kBytes);
    const uint64_t length = 1 + below(kBytes - start);
    const auto type = static_cast<LockType>(below(3));
    bool refused = false;
    for (uint64_t o = 0; o < kOwners && type != LockType::kUnlock; ++o) {
      for (uint64_t at = start; at < start + length && o != owner; ++at) {
        refused = refused || model[o][at] == LockType::kWrite ||
                  (model[o][at] == LockType::kRead && type == LockType::kWrite);
      }
    }
    ASSERT_EQ(Set(owner, type, start, length), refused ? kEAGAIN : 0) << i;
    for (uint64_t at = start; at < start + length && !refused; ++at) {
      model[owner][at] = type;
    }
    size_t ranges = 0;
    for (const auto& bytes : model) {
      for (uint64_t at = 0; at < kBytes; ++at) {
        ranges += bytes[at] != LockType::kUnlock &&
                  (at == 0 || bytes[at - 1] != bytes[at]);
      }
    }
    ASSERT_EQ(table_.size(&client_), ranges) << i;
  }
}

}  // namespace
}  // namespace warmfs::hostd
