// What the FUSE workers answer to a hand: a thread of the injector while it
// performs one system call on the mount (injector.h).
//
// Concept. The kernel raises an event for a change that it carries out itself,
// so a hand carries out the host's change once more, here. The kernel asks us
// about it as about any other; a worker knows the hand by its thread id and
// answers from the plan, which lists the names that the call touches with what
// is to be found there before it and after it. The host is asked nothing. What
// others ask meanwhile is answered with the truth.
//
// Races. The kernel sends a thread's requests one at a time and while it is in
// its call, so a plan is shown before the call and taken back after it. A
// worker may still be answering when the call has ended early (the connection
// was aborted), so it holds the plan by shared_ptr.
//
// Thread-safe. A plan's names do not change once it is shown.

#ifndef WARMFS_FUSE_INJECTION_PLAN_H_
#define WARMFS_FUSE_INJECTION_PLAN_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fuse/tree.h"
#include "schema/types.h"

namespace warmfs::fuse {

// A directory that is there for hands only, to move things out of sight and in
// from there. No node of the tree has this number, and the name is longer than
// any name that the host can have: to all others it is ENAMETOOLONG.
inline constexpr NodeId kHiddenNode = NodeId{1} << 62;
std::string_view HiddenName();
Attr HiddenAttr();

struct PlannedName {
  NodeId dir = 0;
  std::string name;
  Attr before;  // id null: not there
  Attr after;   // id null: not there any more
};

// A file that the kernel takes to be so long in the course of a call.
struct Shorter {
  NodeId node = 0;
  uint64_t bytes = 0;
  Told since;  // what it was told before
};

class InjectionPlan {
 public:
  // On the way to a name: a directory that stays where it is.
  void AddStep(NodeId dir, std::string_view name, const Attr& attr);
  void AddName(PlannedName name);

  const PlannedName* Find(NodeId dir, std::string_view name) const;
  const std::vector<PlannedName>& steps() const { return steps_; }
  const std::vector<PlannedName>& names() const { return names_; }

  // The attributes of a node that the hand was last told: those that a change
  // of them by the same call leaves as they are.
  void NoteTold(NodeId node, const Attr& attr) const;
  std::optional<Attr> told(NodeId node) const;

  // Nodes that are held until the call ends (injected_names.h), one entry for
  // each time.
  void NoteHeld(NodeId node) const;
  std::vector<NodeId> TakeHeld() const;
  // As a held file is made by a change that the call is.
  void NoteShorter(const Shorter& file) const;
  std::optional<Shorter> TakeShorter() const;

 private:
  std::vector<PlannedName> steps_, names_;
  mutable absl::Mutex mu_;
  mutable std::vector<NodeId> held_ ABSL_GUARDED_BY(mu_);
  mutable std::optional<Shorter> shorter_ ABSL_GUARDED_BY(mu_);
  mutable NodeId told_node_ ABSL_GUARDED_BY(mu_) = 0;
  mutable Attr told_ ABSL_GUARDED_BY(mu_);
};

// The plans under way, by the thread that performs them.
class InjectionPlans {
 public:
  static constexpr size_t kMaxHands = 5;

  // By the hand, about itself.
  void Show(std::shared_ptr<const InjectionPlan> plan);
  void TakeBack();

  // By a worker. Both cost a few loads when there is none.
  std::shared_ptr<const InjectionPlan> Of(pid_t thread) const;
  // Some hand is about to change this name in the kernel, or has.
  bool Have(NodeId dir, std::string_view name) const;

 private:
  struct Slot {
    std::atomic<pid_t> thread{0};
    mutable absl::Mutex mu;
    std::shared_ptr<const InjectionPlan> plan ABSL_GUARDED_BY(mu);
  };
  std::array<Slot, kMaxHands> slots_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_INJECTION_PLAN_H_
