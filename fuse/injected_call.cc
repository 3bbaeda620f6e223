#include "fuse/injected_call.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "absl/algorithm/container.h"
#include "absl/time/clock.h"
#include "fuse/injected_names.h"
#include "schema/unique_fd.h"

namespace warmfs::fuse {
namespace {

constexpr size_t kMaxDepth = 2048;  // PATH_MAX holds no more names

std::string Join(const std::string& dir, const std::string& name) {
  if (name.empty()) return dir.empty() ? "." : dir;
  return dir.empty() ? name : dir + "/" + name;
}

int Result(int returned) { return returned == 0 ? 0 : errno; }

// A name of its own in the hidden directory for each use: what the kernel was
// left with there is never met again.
std::string UnusedName() {
  static std::atomic<uint64_t> last = 0;
  return "m" + std::to_string(++last);
}

}  // namespace

InjectedCall::InjectedCall(FileSystem& fs, Injection injection)
    : fs_(fs),
      in_(std::move(injection)),
      plan_(std::make_shared<InjectionPlan>()) {
  const bool from = Reach(in_.dir, path_);
  const bool two = in_.to_dir != 0;
  const bool to = two && Reach(in_.to_dir, to_path_);
  // Half of what happened can be seen: that half is raised.
  if (in_.kind == InjectionKind::kRename && from != to) {
    in_.kind = from ? InjectionKind::kMoveOut : InjectionKind::kMoveIn;
    if (to) {
      in_.dir = in_.to_dir;
      in_.name = in_.to_name;
      path_ = to_path_;
    }
  } else if (!from) {
    plan_ = nullptr;
    return;
  } else if (in_.kind == InjectionKind::kLink && !to) {
    in_.kind = InjectionKind::kCreate;
  }
  PlanNames();
}

bool InjectedCall::Reach(NodeId dir, std::string& path) {
  for (size_t depth = 0; dir != kRootNode; ++depth) {
    if (dir == kHiddenNode) {
      plan_->AddStep(kRootNode, HiddenName(), HiddenAttr());
      path = Join(std::string(HiddenName()), path);
      return true;
    }
    const auto view = fs_.tree().Look(dir);
    if (!view || depth > kMaxDepth) return false;
    const std::string name =
        view->placeless ? "n" + std::to_string(dir) : view->name;
    dir = view->placeless ? kHiddenNode : view->parent;
    plan_->AddStep(dir, name, view->attr);
    path = path.empty() ? name : Join(name, path);
  }
  return true;
}

void InjectedCall::PlanNames() {
  const Attr none;
  const std::string path = Join(path_, in_.name);
  switch (in_.kind) {
    case InjectionKind::kCreate:
      plan_->AddName({in_.dir, in_.name, none, in_.object});
      break;
    case InjectionKind::kLink:
      plan_->AddName({in_.dir, in_.name, none, in_.object});
      plan_->AddName({in_.to_dir, in_.to_name, in_.object, in_.object});
      to_path_ = Join(to_path_, in_.to_name);
      break;
    case InjectionKind::kDelete:
      plan_->AddName({in_.dir, in_.name, in_.object, none});
      break;
    case InjectionKind::kRename:
      // An exchange comes as two renames. What the first meets at its target is
      // not gone by it, and must not be gone to its watchers.
      if (InjectedNames(fs_).Lives(in_.replaced)) in_.replaced = none;
      plan_->AddName({in_.dir, in_.name, in_.object, none});
      plan_->AddName({in_.to_dir, in_.to_name, in_.replaced, in_.object});
      to_path_ = Join(to_path_, in_.to_name);
      break;
    case InjectionKind::kMoveIn:
    case InjectionKind::kMoveOut: {
      const std::string name = UnusedName();
      const std::string hidden = std::string(HiddenName()) + "/" + name;
      plan_->AddStep(kRootNode, HiddenName(), HiddenAttr());
      if (in_.kind == InjectionKind::kMoveIn) {
        plan_->AddName({kHiddenNode, name, in_.object, none});
        plan_->AddName({in_.dir, in_.name, in_.replaced, in_.object});
        to_path_ = path;
        path_ = hidden;
      } else {
        plan_->AddName({in_.dir, in_.name, in_.object, none});
        plan_->AddName({kHiddenNode, name, none, in_.object});
        path_ = path;
        to_path_ = hidden;
      }
      return;
    }
    case InjectionKind::kModify:
    case InjectionKind::kAttributes:
    case InjectionKind::kCloseWrite:
      if (!in_.name.empty()) {
        plan_->AddName({in_.dir, in_.name, in_.object, in_.object});
      }
      break;
  }
  path_ = path;
}

void InjectedCall::InvalidateBefore(const Invalidate& entry) {
  InjectedNames names(fs_);
  begun_ = fs_.tree().Now();
  for (const PlannedName& step : plan_->steps()) {
    // What is not there by now, the kernel holds as it was or asks for.
    const auto truth = names.Truth(step.dir, step.name);
    if (truth && !truth->IsNull() && *truth != step.before.id) {
      entry(step.dir, step.name);
    }
  }
  for (const PlannedName& name : plan_->names()) {
    // A name that is to be made is always asked for.
    if (name.dir == kHiddenNode || name.before.id.IsNull()) continue;
    if (names.Truth(name.dir, name.name) != name.before.id) {
      entry(name.dir, name.name);
    }
  }
}

// What was at one name of a move, by a change of our own or since an
// application has looked there in between, is at the other name now: what is
// true there does not tell.
void InjectedCall::InvalidateAfter(const Invalidate& entry) {
  InjectedNames names(fs_);
  const auto& planned = plan_->names();
  const bool in_doubt = absl::c_any_of(planned, [&](const PlannedName& name) {
    return fs_.tree().ChangedSince(name.dir, begun_) ||
           (name.dir != kHiddenNode &&
            names.Truth(name.dir, name.name) != name.after.id);
  });
  if (!in_doubt) return;
  for (const PlannedName& name : planned) {
    if (name.dir != kHiddenNode) entry(name.dir, name.name);
  }
}

int InjectedCall::Perform(int root) {
  constexpr int kAttempts = 20;
  int error = PerformOnce(root);
  for (int i = 1; i < kAttempts && (error == ESTALE || error == EAGAIN); ++i) {
    absl::SleepFor(absl::Milliseconds(1));
    error = PerformOnce(root);
  }
  return error;
}

int InjectedCall::PerformOnce(int root) const {
  const int error = Call(root);
  InjectedNames names(fs_);
  const auto shorter = plan_->TakeShorter();
  if (shorter && error == 0) names.NoteShorter(*shorter);
  for (NodeId node : plan_->TakeHeld()) names.Release(node);
  return error;
}

int InjectedCall::Call(int root) const {
  switch (in_.kind) {
    case InjectionKind::kCreate:
      return Create(root);
    case InjectionKind::kLink:
      return Result(
          linkat(root, to_path_.c_str(), root, path_.c_str(), /*flags=*/0));
    case InjectionKind::kDelete:
      return Result(unlinkat(root, path_.c_str(),
                             in_.object.IsDirectory() ? AT_REMOVEDIR : 0));
    case InjectionKind::kRename:
    case InjectionKind::kMoveIn:
    case InjectionKind::kMoveOut:
      return Rename(root);
    case InjectionKind::kModify:
    case InjectionKind::kAttributes:
      return Change(root);
    case InjectionKind::kCloseWrite:
      break;
  }
  return CloseWrite(root);
}

int InjectedCall::Rename(int root) const {
  UniqueFd held;  // so that its dentry stays
  if (in_.object.IsDirectory()) {
    held =
        UniqueFd(openat(root, path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!held) return errno;
  }
  return Result(renameat(root, path_.c_str(), root, to_path_.c_str()));
}

int InjectedCall::Create(int root) const {
  const char* path = path_.c_str();
  const mode_t mode = in_.object.mode;
  if (S_ISDIR(mode)) return Result(mkdirat(root, path, 0700));
  if (S_ISLNK(mode)) {
    const std::string& target = in_.target.empty() ? "?" : in_.target;
    return Result(symlinkat(target.c_str(), root, path));
  }
  return Result(mknodat(root, path, (mode & S_IFMT) | 0600, in_.object.rdev));
}

// Both times are ATTRIB, the mtime alone is MODIFY; which times does not
// matter. An owner may do so whatever the mode is, and to every type.
int InjectedCall::Change(int root) const {
  // See session_inject.cc for why.
  if (in_.object.IsRegular() && LookAtAttributes(root) != 0) return errno;
  const Attr& attr = in_.object;
  timespec times[2] = {{attr.atime.sec, attr.atime.nsec},
                       {attr.mtime.sec, attr.mtime.nsec}};
  if (in_.kind == InjectionKind::kModify) times[0].tv_nsec = UTIME_OMIT;
  return Result(utimensat(root, path_.c_str(), times, AT_SYMLINK_NOFOLLOW));
}

// The kernel asks for them, and has the size that is true by now.
int InjectedCall::LookAtAttributes(int root) const {
  struct statx st;
  return statx(root, path_.c_str(), AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC,
               STATX_BASIC_STATS, &st);
}

int InjectedCall::CloseWrite(int root) const {
  // Opening a FIFO would show its readers a writer that was not there.
  if (!in_.object.IsRegular()) return EOPNOTSUPP;
  // copy_file_range goes by the size that the kernel has, without a look.
  if (LookAtAttributes(root) != 0) return errno;
  const int fd = openat(root, path_.c_str(),
                        O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

}  // namespace warmfs::fuse
