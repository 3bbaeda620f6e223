// How many descriptors may be held on behalf of clients beyond the call that
// opened them: orphans, listings, locks. A request's own few descriptors are
// not counted; the budget leaves room for them.
//
// FdBudget is thread-safe. FdSlot is one descriptor's share of it, movable and
// thread-compatible; the budget outlives its slots.

#ifndef WARMFS_HOSTD_FD_BUDGET_H_
#define WARMFS_HOSTD_FD_BUDGET_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "schema/unique_fd.h"

namespace warmfs::hostd {

class FdBudget {
 public:
  // With a parent, every slot is taken from both: a share of the parent.
  explicit FdBudget(uint32_t capacity, FdBudget* parent = nullptr)
      : capacity_(capacity), parent_(parent) {}
  FdBudget(const FdBudget&) = delete;
  FdBudget& operator=(const FdBudget&) = delete;

  // The process's own, made at the first use from the limit on open files:
  // raise that first (RaiseFileLimit).
  static FdBudget& Process();

  bool Take();
  void Give();
  uint32_t capacity() const { return capacity_; }
  uint32_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const uint32_t capacity_;
  FdBudget* const parent_;
  std::atomic<uint32_t> used_{0};
};

class FdSlot {
 public:
  FdSlot() = default;
  // False when the budget is used up.
  explicit FdSlot(FdBudget& budget)
      : budget_(budget.Take() ? &budget : nullptr) {}
  FdSlot(FdSlot&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)) {}
  FdSlot& operator=(FdSlot&& other) noexcept {
    std::swap(budget_, other.budget_);
    return *this;
  }
  ~FdSlot() {
    if (budget_ != nullptr) budget_->Give();
  }
  explicit operator bool() const { return budget_ != nullptr; }

 private:
  FdBudget* budget_ = nullptr;
};

// A descriptor that is held, and its slot.
struct HeldFd {
  FdSlot slot;
  UniqueFd fd;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_FD_BUDGET_H_
