#include "tests/vm/guest_memory.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace warmfs::vm {
namespace {

// Whether [address, address + size) lies in [start, start + length), with no
// sum that could wrap.
bool Inside(uint64_t address, uint64_t size, uint64_t start, uint64_t length) {
  if (address < start) return false;
  const uint64_t offset = address - start;
  return offset <= length && size <= length - offset;
}

}  // namespace

absl::Status GuestMemory::Map(std::vector<MemoryRegion> regions) {
  Unmap();
  for (const MemoryRegion& region : regions) {
    if (absl::Status mapped = MapOne(region); !mapped.ok()) {
      Unmap();
      return mapped;
    }
  }
  return absl::OkStatus();
}

absl::Status GuestMemory::MapOne(const MemoryRegion& region) {
  struct stat file = {};
  if (fstat(region.file.get(), &file) != 0) {
    return absl::ErrnoToStatus(errno, "memory region");
  }
  // Touching what is beyond the file's end would be SIGBUS.
  if (!Inside(region.file_offset, region.size_bytes, 0, file.st_size)) {
    return absl::OutOfRangeError("a memory region is larger than its file");
  }
  const uint64_t map_bytes = region.file_offset + region.size_bytes;
  void* map = mmap(nullptr, map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                   region.file.get(), 0);
  if (map == MAP_FAILED) return absl::ErrnoToStatus(errno, "memory region");
  char* const bytes = static_cast<char*>(map);
  regions_.push_back({region.guest_address, region.user_address,
                      region.size_bytes, bytes + region.file_offset, bytes,
                      map_bytes});
  return absl::OkStatus();
}

void GuestMemory::Unmap() {
  for (const Mapped& region : regions_) munmap(region.map, region.map_bytes);
  regions_.clear();
}

char* GuestMemory::FromGuest(uint64_t address, uint64_t size_bytes) const {
  for (const Mapped& r : regions_) {
    if (Inside(address, size_bytes, r.guest_address, r.size_bytes)) {
      return r.start + (address - r.guest_address);
    }
  }
  return nullptr;
}

char* GuestMemory::FromUser(uint64_t address, uint64_t size_bytes) const {
  for (const Mapped& r : regions_) {
    if (Inside(address, size_bytes, r.user_address, r.size_bytes)) {
      return r.start + (address - r.user_address);
    }
  }
  return nullptr;
}

}  // namespace warmfs::vm
