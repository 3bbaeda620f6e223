#include "fuse/idle_workers.h"

#include <algorithm>

namespace warmfs::fuse {

bool IdleWorkers::Await() {
  absl::MutexLock lock(&mu_);
  if (ended_) return false;
  if (waiting_ < most_) {
    ++waiting_;
    return true;
  }
  Resting self;
  resting_.push_back(&self);
  while (!self.woken) self.wake.Wait(&mu_);
  return !ended_;
}

bool IdleWorkers::Taken() {
  absl::MutexLock lock(&mu_);
  --waiting_;
  if (waiting_ > 0) {
    if (++calm_ < kCalm) return false;
    most_ = std::max(kLeast, most_ - 1);
    calm_ = 0;
    return false;
  }
  calm_ = 0;
  if (resting_.empty()) return TooFew();
  ++most_;
  WakeOne();
  return false;
}

bool IdleWorkers::HeldUp() {
  absl::MutexLock lock(&mu_);
  ++held_up_;
  return TooFew();
}

void IdleWorkers::GoesOn() {
  absl::MutexLock lock(&mu_);
  --held_up_;
}

void IdleWorkers::End() {
  absl::MutexLock lock(&mu_);
  ended_ = true;
  while (!resting_.empty()) WakeOne();
}

size_t IdleWorkers::resting() {
  absl::MutexLock lock(&mu_);
  return resting_.size();
}

void IdleWorkers::WakeOne() {
  Resting& next = *resting_.back();
  resting_.pop_back();
  next.woken = true;
  ++waiting_;
  next.wake.Signal();
}

}  // namespace warmfs::fuse
