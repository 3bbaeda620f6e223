#include "fuse/clock.h"

#include <time.h>

namespace warmfs::fuse {

Instant SystemClock::Now() const {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace warmfs::fuse
