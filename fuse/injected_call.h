// One injection as a system call on the mount: which names it touches, by which
// paths they are reached, and the call that raises the event.
//
// A directory's path is the one that the tree has when the call is made. One
// that has no place any more (it was removed, and events from before that are
// still to be raised) is reached by its last one, which is remembered here: the
// plan tells the kernel that it is still there.
//
// The kernel must be left with no wrong name. Before the call a name at which
// the kernel may hold another object is invalidated, so that it asks and hears
// of the plan; after it every name is whose truth is not what the call left
// there. All else that the kernel is told by a plan it is told for no time.
//
// Places is thread-safe; InjectedCall belongs to one hand.

#ifndef WARMFS_FUSE_INJECTED_CALL_H_
#define WARMFS_FUSE_INJECTED_CALL_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "fuse/file_system.h"
#include "fuse/injection.h"
#include "fuse/injection_plan.h"
#include "fuse/tree.h"

namespace warmfs::fuse {

// Where directories were last.
class Places {
 public:
  explicit Places(const Tree& tree) : tree_(tree) {}

  // Of `dir` and those above it, as the tree has them now.
  void Remember(NodeId dir);
  // From the root down to `dir`; nothing if it is not known, or its way is not.
  struct Step {
    NodeId parent = 0;
    std::string name;
    Attr attr;
  };
  std::optional<std::vector<Step>> PathTo(NodeId dir) const;

 private:
  // More than anybody removes at once; beyond it all are forgotten.
  static constexpr size_t kMaxRemembered = 16 * 1024;

  struct Place {
    FileId id;  // of the directory: node ids are used again
    NodeId parent = 0;
    std::string name;
  };

  const Tree& tree_;
  mutable absl::Mutex mu_;
  absl::flat_hash_map<NodeId, Place> last_ ABSL_GUARDED_BY(mu_);
};

class InjectedCall {
 public:
  using Invalidate = std::function<void(NodeId, const std::string&)>;

  InjectedCall(FileSystem& fs, const Places& places, Injection injection);

  // What follows does not apply to an event that nobody can see: the kernel
  // does not know the directory.
  bool visible() const { return plan_ != nullptr; }
  // Performs it, relative to the mount's root; an errno. The plan is to be
  // shown meanwhile.
  int Perform(int root);
  std::shared_ptr<const InjectionPlan> plan() const { return plan_; }

  void InvalidateBefore(const Invalidate& entry);
  void InvalidateAfter(const Invalidate& entry);

 private:
  // Plans the way to a directory; false if the kernel does not know it.
  bool Reach(NodeId dir, std::string& path);
  void PlanNames();
  int Create(int root) const;
  int Change(int root) const;
  int CloseWrite(int root) const;

  FileSystem& fs_;
  const Places& places_;
  Injection in_;
  std::shared_ptr<InjectionPlan> plan_;
  std::string path_, to_path_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_INJECTED_CALL_H_
