// The time that freshness is measured by: monotonic, and stepped by hand in
// tests. Thread-safe.

#ifndef WARMFS_FUSE_CLOCK_H_
#define WARMFS_FUSE_CLOCK_H_

#include <cstdint>

#include "absl/time/time.h"

namespace warmfs::fuse {

// Nanoseconds of a clock that only goes forward; 0 is "never".
using Instant = int64_t;
// Of what is under a lease: fresh until told otherwise.
inline constexpr Instant kForever = INT64_MAX;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
};

// CLOCK_BOOTTIME: it goes on while the machine sleeps, so what was checked
// before a sleep is not taken for fresh after it.
class SystemClock final : public Clock {
 public:
  Instant Now() const override;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_CLOCK_H_
