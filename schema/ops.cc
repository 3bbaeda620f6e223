#include "schema/ops.h"

#include <xxhash.h>

#include <cstring>

namespace warmfs {

void Digest::Add(const DirEntry& entry) {
  const Attr& a = entry.attr;
  // Fixed width and order, so that both sides of any build agree. atime moves
  // when hostd itself reads; racy is a property of the moment, not of the file.
  const uint64_t fields[] = {a.id.hi,
                             a.id.lo,
                             a.ino,
                             a.size,
                             a.blocks_512,
                             a.rdev,
                             uint64_t{a.mode} << 32 | a.nlink,
                             uint64_t{a.uid} << 32 | a.gid,
                             static_cast<uint64_t>(a.mtime.sec),
                             static_cast<uint64_t>(a.ctime.sec),
                             uint64_t{a.mtime.nsec} << 32 | a.ctime.nsec};
  const XXH64_hash_t seed = XXH3_64bits(entry.name.data(), entry.name.size());
  const XXH128_hash_t h = XXH3_128bits_withSeed(fields, sizeof(fields), seed);
  const uint64_t sum = lo + h.low64;
  hi += h.high64 + (sum < lo ? 1 : 0);
  lo = sum;
}

}  // namespace warmfs
