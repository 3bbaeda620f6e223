#include "tests/vm/virtqueue.h"

#include <atomic>
#include <bit>
#include <cstring>

namespace warmfs::vm {
namespace {

constexpr uint16_t kHasNext = 1;
constexpr uint16_t kDeviceWrites = 2;
constexpr uint16_t kIndirect = 4;
constexpr uint16_t kNoInterrupt = 1;

// The guest's CPUs write these at any time.
uint16_t Load(uint16_t& shared) {
  return std::atomic_ref(shared).load(std::memory_order_acquire);
}

}  // namespace

absl::Status Virtqueue::Start(const GuestMemory* memory, uint32_t size,
                              const QueueAddresses& addresses, uint16_t base) {
  Stop();
  if (size > kMaxSize || !std::has_single_bit(size)) {
    return absl::InvalidArgumentError("queue: impossible size");
  }
  if ((addresses.descriptors | addresses.used | addresses.available) & 3) {
    return absl::InvalidArgumentError("queue: misaligned ring");
  }
  char* const descriptors =
      memory->FromUser(addresses.descriptors, size * sizeof(Descriptor));
  char* const available = memory->FromUser(
      addresses.available, sizeof(Ring) + size * sizeof(uint16_t));
  char* const used = memory->FromUser(
      addresses.used, sizeof(UsedRing) + size * sizeof(UsedEntry));
  if (!descriptors || !available || !used) {
    return absl::InvalidArgumentError("queue: a ring is not in the memory");
  }
  size_ = size;
  descriptors_ = reinterpret_cast<const Descriptor*>(descriptors);
  available_ = reinterpret_cast<Ring*>(available);
  used_ = reinterpret_cast<UsedRing*>(used);
  next_available_ = base;
  next_used_ = Load(used_->index);
  gave_back_ = false;
  memory_ = memory;
  return absl::OkStatus();
}

absl::StatusOr<bool> Virtqueue::Peek(Chain& chain) {
  const uint16_t waiting = Load(available_->index) - next_available_;
  if (waiting == 0) return false;
  if (waiting > size_) {
    return absl::InvalidArgumentError("queue: more entries than it holds");
  }
  chain.head = Load(available_->entries[next_available_ % size_]);
  chain.readable.clear();
  chain.writable.clear();
  if (absl::Status walked = Walk(chain); !walked.ok()) return walked;
  return true;
}

absl::Status Virtqueue::Walk(Chain& chain) const {
  uint16_t index = chain.head;
  // No chain is longer than the queue, unless it is a circle.
  for (uint32_t i = 0; i < size_; ++i) {
    if (index >= size_) {
      return absl::InvalidArgumentError("queue: no such descriptor");
    }
    Descriptor descriptor;
    std::memcpy(&descriptor, &descriptors_[index], sizeof(descriptor));
    absl::Status appended = Append(descriptor, chain);
    if (!appended.ok()) return appended;
    if (!(descriptor.flags & kHasNext)) return absl::OkStatus();
    index = descriptor.next;
  }
  return absl::InvalidArgumentError("queue: a chain without an end");
}

absl::Status Virtqueue::Append(const Descriptor& descriptor,
                               Chain& chain) const {
  if (descriptor.flags & kIndirect) {
    return absl::InvalidArgumentError(
        "queue: an indirect descriptor, which "
        "was not offered");
  }
  char* const start =
      memory_->FromGuest(descriptor.address, descriptor.length_bytes);
  if (!start) {
    return absl::InvalidArgumentError("queue: a buffer outside the memory");
  }
  const bool writable = descriptor.flags & kDeviceWrites;
  (writable ? chain.writable : chain.readable)
      .push_back({start, descriptor.length_bytes});
  return absl::OkStatus();
}

void Virtqueue::Complete(const Chain& chain, uint32_t written_bytes) {
  used_->entries[next_used_ % size_] = {chain.head, written_bytes};
  ++next_used_;
  std::atomic_ref(used_->index).store(next_used_, std::memory_order_release);
  ++next_available_;
  gave_back_ = true;
}

bool Virtqueue::TakeInterrupt() {
  if (!gave_back_) return false;
  gave_back_ = false;
  // The guest sets the flag, then looks at the index; here the other way
  // around, so that one of both sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return !(Load(available_->flags) & kNoInterrupt);
}

}  // namespace warmfs::vm
