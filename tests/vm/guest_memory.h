// The memory of a guest, as QEMU or user-mode-linux shares it: some regions of
// a file, each known by its address in the guest and by its address in QEMU.
//
// Nothing that the guest says is believed: an address is looked up together
// with its length, and what is not wholly inside one region is not there. The
// guest may change the bytes at any time: copy, then check.
//
// Thread-compatible. Owns the mappings; pointers are good until the next Map.

#ifndef WARMFS_TESTS_VM_GUEST_MEMORY_H_
#define WARMFS_TESTS_VM_GUEST_MEMORY_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "schema/unique_fd.h"

namespace warmfs::vm {

struct MemoryRegion {
  uint64_t guest_address = 0;
  uint64_t size_bytes = 0;
  uint64_t user_address = 0;  // in QEMU
  uint64_t file_offset = 0;
  UniqueFd file;
};

class GuestMemory {
 public:
  GuestMemory() = default;
  GuestMemory(const GuestMemory&) = delete;
  ~GuestMemory() { Unmap(); }

  // In place of what was mapped before.
  absl::Status Map(std::vector<MemoryRegion> regions);
  void Unmap();

  // nullptr if not all of it is there.
  char* FromGuest(uint64_t address, uint64_t size_bytes) const;
  char* FromUser(uint64_t address, uint64_t size_bytes) const;

 private:
  struct Mapped {
    uint64_t guest_address;
    uint64_t user_address;
    uint64_t size_bytes;
    char* start;  // of the region
    char* map;    // of the file, from its first byte on
    uint64_t map_bytes;
  };

  absl::Status MapOne(const MemoryRegion& region);

  std::vector<Mapped> regions_;
};

}  // namespace warmfs::vm

#endif  // WARMFS_TESTS_VM_GUEST_MEMORY_H_
