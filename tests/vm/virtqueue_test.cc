// A guest may write anything into a queue: nothing outside its memory is
// touched, and nothing goes on for ever.

#include "tests/vm/virtqueue.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

namespace warmfs::vm {
namespace {

constexpr uint64_t kMemoryBytes = 64 * 1024;
constexpr uint64_t kGuestStart = 0x100000;
constexpr uint64_t kUserStart = 0x7f0000000000;
constexpr uint32_t kSize = 8;
constexpr uint64_t kAvailable = 0x1000;
constexpr uint64_t kUsed = 0x2000;
constexpr uint64_t kBuffer = 0x4000;
constexpr uint16_t kNext = 1;
constexpr uint16_t kWrite = 2;

class VirtqueueTest : public testing::Test {
 protected:
  void SetUp() override {
    UniqueFd file(memfd_create("guest", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(file.get(), kMemoryBytes), 0);
    std::vector<MemoryRegion> regions;
    regions.push_back(
        {kGuestStart, kMemoryBytes, kUserStart, 0, std::move(file)});
    ASSERT_TRUE(memory_.Map(std::move(regions)).ok());
    bytes_ = memory_.FromGuest(kGuestStart, kMemoryBytes);
    ASSERT_TRUE(
        queue_
            .Start(&memory_, kSize,
                   {kUserStart, kUserStart + kUsed, kUserStart + kAvailable}, 0)
            .ok());
  }

  template <typename T>
  void Put(uint64_t offset, T value) {
    std::memcpy(bytes_ + offset, &value, sizeof(value));
  }

  template <typename T>
  T Get(uint64_t offset) {
    T value;
    std::memcpy(&value, bytes_ + offset, sizeof(value));
    return value;
  }

  void Describe(uint16_t index, uint64_t address, uint32_t length,
                uint16_t flags, uint16_t next = 0) {
    const uint64_t at = index * 16;
    Put(at, address);
    Put(at + 8, length);
    Put(at + 12, flags);
    Put(at + 14, next);
  }

  void Offer(uint16_t head) {
    Put(kAvailable + 4 + 2 * (offered_ % kSize), head);
    Put(kAvailable + 2, ++offered_);
  }

  absl::StatusOr<bool> Peek() { return queue_.Peek(chain_); }

  GuestMemory memory_;
  char* bytes_ = nullptr;
  Virtqueue queue_;
  Chain chain_;
  uint16_t offered_ = 0;
};

TEST_F(VirtqueueTest, AChainIsFoundAndGivenBack) {
  EXPECT_EQ(Peek().value(), false);
  Describe(2, kGuestStart + kBuffer, 44, kNext, 5);
  Describe(5, kGuestStart + kBuffer + 100, 1000, kWrite);
  Offer(2);
  ASSERT_EQ(Peek().value(), true);
  ASSERT_EQ(chain_.readable.size(), 1u);
  EXPECT_EQ(chain_.readable[0].iov_base, bytes_ + kBuffer);
  ASSERT_EQ(chain_.writable.size(), 1u);
  EXPECT_EQ(chain_.writable[0].iov_len, 1000u);
  EXPECT_FALSE(queue_.TakeInterrupt());
  queue_.Complete(chain_, 7);
  EXPECT_EQ(Get<uint16_t>(kUsed + 2), 1);
  EXPECT_EQ(Get<uint32_t>(kUsed + 4), 2u);
  EXPECT_EQ(Get<uint32_t>(kUsed + 8), 7u);
  EXPECT_TRUE(queue_.TakeInterrupt());
  EXPECT_FALSE(queue_.TakeInterrupt());
  EXPECT_EQ(Peek().value(), false);
}

TEST_F(VirtqueueTest, AGuestThatWantsNoInterruptGetsNone) {
  Put<uint16_t>(kAvailable, 1);
  Describe(0, kGuestStart + kBuffer, 44, 0);
  Offer(0);
  ASSERT_TRUE(Peek().value());
  queue_.Complete(chain_, 0);
  EXPECT_FALSE(queue_.TakeInterrupt());
}

TEST_F(VirtqueueTest, ABufferOutsideTheMemoryIsAnError) {
  for (const auto& [address, length] :
       {std::pair<uint64_t, uint32_t>{kGuestStart + kMemoryBytes - 1, 2},
        {kGuestStart - 1, 1},
        {kGuestStart + kMemoryBytes + 1, 0},
        {UINT64_MAX, UINT32_MAX},
        {kUserStart, 1}}) {
    SetUp();
    offered_ = 0;
    Describe(0, address, length, 0);
    Offer(0);
    EXPECT_FALSE(Peek().ok()) << std::hex << address;
  }
}

TEST_F(VirtqueueTest, ACircleEnds) {
  Describe(0, kGuestStart + kBuffer, 1, kNext, 1);
  Describe(1, kGuestStart + kBuffer, 1, kNext, 0);
  Offer(0);
  EXPECT_FALSE(Peek().ok());
}

TEST_F(VirtqueueTest, ADescriptorThatIsNotThereIsAnError) {
  Offer(kSize);
  EXPECT_FALSE(Peek().ok());
}

TEST_F(VirtqueueTest, MoreEntriesThanTheQueueHoldsIsAnError) {
  Put<uint16_t>(kAvailable + 2, kSize + 1);
  EXPECT_FALSE(Peek().ok());
}

TEST_F(VirtqueueTest, AnIndirectDescriptorIsAnError) {
  Describe(0, kGuestStart + kBuffer, 16, 4);
  Offer(0);
  EXPECT_FALSE(Peek().ok());
}

TEST_F(VirtqueueTest, RingsMustLieInTheMemory) {
  Virtqueue other;
  EXPECT_FALSE(other
                   .Start(&memory_, kSize,
                          {kUserStart, kUserStart + kMemoryBytes - 8,
                           kUserStart + kAvailable},
                          0)
                   .ok());
  EXPECT_FALSE(
      other.Start(&memory_, 7, {kUserStart, kUserStart, kUserStart}, 0).ok());
}

TEST(GuestMemory, ARegionBeyondItsFileIsRefused) {
  UniqueFd file(memfd_create("guest", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), 4096), 0);
  std::vector<MemoryRegion> regions;
  regions.push_back({0, 8192, 0, 0, std::move(file)});
  GuestMemory memory;
  EXPECT_FALSE(memory.Map(std::move(regions)).ok());
  EXPECT_EQ(memory.FromGuest(0, 1), nullptr);
}

}  // namespace
}  // namespace warmfs::vm
