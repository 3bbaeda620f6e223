#include "hostd/fd_budget.h"

#include "hostd/limits.h"

namespace warmfs::hostd {

FdBudget& FdBudget::Process() {
  static FdBudget budget(HeldFileLimit());
  return budget;
}

bool FdBudget::Take() {
  if (used_.fetch_add(1, std::memory_order_relaxed) >= capacity_) {
    used_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  if (parent_ == nullptr || parent_->Take()) return true;
  used_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void FdBudget::Give() {
  used_.fetch_sub(1, std::memory_order_relaxed);
  if (parent_ != nullptr) parent_->Give();
}

}  // namespace warmfs::hostd
