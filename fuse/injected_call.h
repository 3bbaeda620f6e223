// One injection as a system call on the mount: which names it touches, by which
// paths they are reached, and the call that raises the event.
//
// A directory's path is the one that the tree has when the call is made. One
// that has no place any more (it was removed, and events from before that are
// still to be raised) is reached through the hidden directory: whoever watches
// it watches the inode, whatever the path.
//
// The kernel must be left with no wrong name. Before the call a name at which
// the kernel may hold another object is invalidated, so that it asks and hears
// of the plan; after it every name is whose truth is not what the call left
// there. In between somebody may have changed a name, or looked at one that the
// host has given to another object, so that the kernel did not have to ask for
// it again: the call then moved or linked what it found there. So when anything
// changed in a directory, or one name is not what the call left, all names in
// the plan are invalidated. An application's rename may move what a call left
// at the old name, before that is invalidated: FileSystem::Rename sees to it
// (Invalidations::unsure). All else that the kernel is told by a plan it is
// told for no time.
//
// A directory has one dentry, and the kernel moves it to where it is looked up;
// it does not wait for the locks that takes, but gives ESTALE. So a directory
// is looked up before it is renamed, which holds just these locks, and a call
// that ends in ESTALE is made again: it has raised nothing.
//
// Belongs to one hand.

#ifndef WARMFS_FUSE_INJECTED_CALL_H_
#define WARMFS_FUSE_INJECTED_CALL_H_

#include <functional>
#include <memory>
#include <string>

#include "fuse/file_system.h"
#include "fuse/injection.h"
#include "fuse/injection_plan.h"
#include "fuse/tree.h"

namespace warmfs::fuse {

class InjectedCall {
 public:
  using Invalidate = std::function<void(NodeId, const std::string&)>;

  InjectedCall(FileSystem& fs, Injection injection);

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
  int PerformOnce(int root) const;
  int Call(int root) const;
  int Create(int root) const;
  int Rename(int root) const;
  int Change(int root) const;
  int LookAtAttributes(int root) const;
  int CloseWrite(int root) const;

  FileSystem& fs_;
  Injection in_;
  std::shared_ptr<InjectionPlan> plan_;
  Stamp begun_ = 0;  // before the kernel was made to ask
  std::string path_, to_path_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_INJECTED_CALL_H_
