// A clock that stands still until the test steps it. Thread-safe.

#ifndef WARMFS_TESTS_FAKES_STEPPED_CLOCK_H_
#define WARMFS_TESTS_FAKES_STEPPED_CLOCK_H_

#include <atomic>

#include "absl/time/time.h"
#include "fuse/clock.h"

namespace warmfs::fuse {

class SteppedClock final : public Clock {
 public:
  Instant Now() const override { return now_; }
  void Step(absl::Duration by) { now_ += absl::ToInt64Nanoseconds(by); }

 private:
  // Not 0, which is "never".
  std::atomic<Instant> now_{1'000'000'000};
};

}  // namespace warmfs::fuse

#endif  // WARMFS_TESTS_FAKES_STEPPED_CLOCK_H_
