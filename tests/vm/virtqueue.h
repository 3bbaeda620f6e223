// The device's side of a split virtqueue in a guest's memory.
//
// A chain is looked at (Peek), used, and given back (Complete), one at a time.
// All that the guest wrote is copied before it is checked; a queue with
// nonsense in it is an error, and must not be used again before its next Start.
//
// Thread-compatible. The memory must outlive it, and a new Map of the memory
// needs a new Start.

#ifndef WARMFS_TESTS_VM_VIRTQUEUE_H_
#define WARMFS_TESTS_VM_VIRTQUEUE_H_

#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/vm/guest_memory.h"

namespace warmfs::vm {

// Where the rings are, in QEMU's addresses.
struct QueueAddresses {
  uint64_t descriptors = 0;
  uint64_t used = 0;
  uint64_t available = 0;
};

struct Chain {
  uint16_t head = 0;
  std::vector<iovec> readable;  // by the device
  std::vector<iovec> writable;
};

class Virtqueue {
 public:
  static constexpr uint32_t kMaxSize = 1024;

  // `base` is the index of the first entry that has not been looked at.
  absl::Status Start(const GuestMemory* memory, uint32_t size,
                     const QueueAddresses& addresses, uint16_t base);
  void Stop() { memory_ = nullptr; }
  bool started() const { return memory_ != nullptr; }
  uint16_t base() const { return next_available_; }

  // The next chain, without taking it; false if there is none.
  absl::StatusOr<bool> Peek(Chain& chain);
  // Gives back what was peeked, with so many bytes written to it.
  void Complete(const Chain& chain, uint32_t written_bytes);
  // Whether something was given back, since the last time this was asked,
  // that the guest wants an interrupt for.
  bool TakeInterrupt();

 private:
  struct Descriptor {
    uint64_t address;
    uint32_t length_bytes;
    uint16_t flags;
    uint16_t next;
  };
  struct Ring {
    uint16_t flags;
    uint16_t index;
    uint16_t entries[];
  };
  struct UsedEntry {
    uint32_t head;
    uint32_t written_bytes;
  };
  struct UsedRing {
    uint16_t flags;
    uint16_t index;
    UsedEntry entries[];
  };

  absl::Status Walk(Chain& chain) const;
  absl::Status Append(const Descriptor& descriptor, Chain& chain) const;

  const GuestMemory* memory_ = nullptr;
  uint32_t size_ = 0;
  const Descriptor* descriptors_ = nullptr;
  Ring* available_ = nullptr;
  UsedRing* used_ = nullptr;
  uint16_t next_available_ = 0;
  uint16_t next_used_ = 0;
  bool gave_back_ = false;
};

}  // namespace warmfs::vm

#endif  // WARMFS_TESTS_VM_VIRTQUEUE_H_
