// Numbers that nobody guesses and that do not come again.

#ifndef WARMFS_HOSTD_RANDOM_H_
#define WARMFS_HOSTD_RANDOM_H_

#include <cstdint>
#include <random>

namespace warmfs::hostd {

// Never 0. From the system's own source.
inline uint64_t RandomNumber() {
  std::random_device source;
  uint64_t number = 0;
  while (number == 0) number = uint64_t{source()} << 32 | source();
  return number;
}

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_RANDOM_H_
