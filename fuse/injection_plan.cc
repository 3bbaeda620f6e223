#include "fuse/injection_plan.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace warmfs::fuse {

std::string_view HiddenName() {
  static const std::string* const name =
      new std::string(kMaxNameBytes + 1, '-');
  return *name;
}

Attr HiddenAttr() {
  Attr attr;
  attr.id = {~uint64_t{0}, ~uint64_t{0}};
  attr.ino = kHiddenNode;
  attr.mode = S_IFDIR | 0700;
  attr.nlink = 2;
  attr.uid = geteuid();
  attr.gid = getegid();
  return attr;
}

void InjectionPlan::AddStep(NodeId dir, std::string_view name,
                            const Attr& attr) {
  if (Find(dir, name) != nullptr) return;  // two paths share it
  steps_.push_back({dir, std::string(name), attr, attr});
}

void InjectionPlan::AddName(PlannedName name) {
  names_.push_back(std::move(name));
}

const PlannedName* InjectionPlan::Find(NodeId dir,
                                       std::string_view name) const {
  for (const auto* list : {&names_, &steps_}) {
    for (const PlannedName& planned : *list) {
      if (planned.dir == dir && planned.name == name) return &planned;
    }
  }
  return nullptr;
}

void InjectionPlan::NoteTold(NodeId node, const Attr& attr) const {
  absl::MutexLock lock(&mu_);
  told_node_ = node;
  told_ = attr;
}

std::optional<Attr> InjectionPlan::told(NodeId node) const {
  absl::MutexLock lock(&mu_);
  if (told_node_ != node) return std::nullopt;
  return told_;
}

void InjectionPlan::NoteHeld(NodeId node) const {
  absl::MutexLock lock(&mu_);
  held_.push_back(node);
}

std::vector<NodeId> InjectionPlan::TakeHeld() const {
  absl::MutexLock lock(&mu_);
  return std::exchange(held_, {});
}

void InjectionPlan::NoteShorter(const Shorter& file) const {
  absl::MutexLock lock(&mu_);
  shorter_ = file;
}

std::optional<Shorter> InjectionPlan::TakeShorter() const {
  absl::MutexLock lock(&mu_);
  return std::exchange(shorter_, std::nullopt);
}

void InjectionPlans::Show(std::shared_ptr<const InjectionPlan> plan) {
  for (Slot& slot : slots_) {
    absl::MutexLock lock(&slot.mu);
    if (slot.plan != nullptr) continue;
    slot.plan = std::move(plan);
    slot.thread = gettid();
    return;
  }
}

void InjectionPlans::TakeBack() {
  for (Slot& slot : slots_) {
    if (slot.thread != gettid()) continue;
    absl::MutexLock lock(&slot.mu);
    slot.thread = 0;
    slot.plan = nullptr;
  }
}

std::shared_ptr<const InjectionPlan> InjectionPlans::Of(pid_t thread) const {
  for (const Slot& slot : slots_) {
    if (slot.thread != thread) continue;
    absl::MutexLock lock(&slot.mu);
    return slot.plan;
  }
  return nullptr;
}

bool InjectionPlans::Have(NodeId dir, std::string_view name) const {
  for (const Slot& slot : slots_) {
    if (slot.thread == 0) continue;
    absl::MutexLock lock(&slot.mu);
    if (slot.plan != nullptr && slot.plan->Find(dir, name) != nullptr) {
      return true;
    }
  }
  return false;
}

}  // namespace warmfs::fuse
