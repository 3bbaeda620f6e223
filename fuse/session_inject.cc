// Requests of the injector's hands, answered from their plans
// (injection_plan.h) and never passed to the host. All other requests, and
// those of a hand about names that its plan does not have, go to the functions
// that serve everybody.
//
// What the kernel is told is true for no longer than it must be:
//   - attributes in a reply to a change are believed by the kernel without a
//     look at whether they were invalidated meanwhile, so they get no time;
//   - a reply to SETATTR with a new mtime would hide from the kernel that its
//     pages are old. A hand has the attributes looked at first (a GETATTR,
//     whose new mtime drops pages), and SETATTR is answered with just those, or
//     not at all if there are others by now;
//   - nobody learns newer attributes before the kernel has taken these
//     (InjectedNames::Hold).

#include <sys/stat.h>

#include <cerrno>

#include "fuse/decide.h"
#include "fuse/injected_names.h"
#include "fuse/injection_plan.h"
#include "fuse/session_internal.h"

namespace warmfs::fuse {
namespace {

std::shared_ptr<const InjectionPlan> PlanOf(fuse_req_t req) {
  return Context(req).plans.Of(fuse_req_ctx(req)->pid);
}

const fuse_lowlevel_ops& Served(fuse_req_t req) { return Context(req).served; }

// The name in the plan of the thread that asks, if it is a hand and has it.
struct Asked {
  Asked(fuse_req_t req, NodeId dir, const char* name) : plan(PlanOf(req)) {
    if (plan != nullptr) planned = plan->Find(dir, name);
    if (planned != nullptr) Context(req).requests.Add(Op::kInjected);
  }
  std::shared_ptr<const InjectionPlan> plan;
  const PlannedName* planned = nullptr;
};

// The kernel takes an answer of another type for a broken inode.
bool SameType(const Entry& entry, const Attr& object) {
  return ((entry.attr.mode ^ object.mode) & S_IFMT) == 0;
}

void ReplyObject(fuse_req_t req, const Asked& asked, const Attr& object,
                 bool looked_up) {
  const PlannedName& planned = *asked.planned;
  const InjectionPlan& plan = *asked.plan;
  if (planned.name == HiddenName()) {
    fuse_entry_param e =
        ToEntryParam({.node = kHiddenNode, .attr = HiddenAttr()});
    // Nobody changes it, so its permissions need not be asked for each time.
    e.attr_timeout = 3600;
    fuse_reply_entry(req, &e);
    return;
  }
  FileSystem& fs = Context(req).fs;
  InjectedNames names(fs);
  const bool loses_link =
      planned.before.id == object.id && planned.after.id != object.id;
  Entry entry = names.Bind(planned.dir, planned.name, object, loses_link);
  if (!SameType(entry, object)) {
    fs.Forget(entry.node, 1);
    return (void)fuse_reply_err(req, EIO);
  }
  if (!looked_up) {
    entry.valid_for = absl::ZeroDuration();
    names.Hold(entry.node);
    plan.NoteHeld(entry.node);
    if (const auto now = names.AttrOf(entry.node)) {
      entry.attr.size = now->attr.size;
    }
  }
  const fuse_entry_param e = ToEntryParam(entry);
  if (fuse_reply_entry(req, &e) == -ENOENT) fs.Forget(entry.node, 1);
}

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  const Asked asked(req, parent, name);
  if (asked.planned == nullptr) return Served(req).lookup(req, parent, name);
  const Attr& object = asked.planned->before;
  if (object.id.IsNull()) return (void)fuse_reply_err(req, ENOENT);
  ReplyObject(req, asked, object, /*looked_up=*/true);
}

void GetAttr(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi) {
  const auto plan = PlanOf(req);
  const auto entry = plan == nullptr
                         ? std::nullopt
                         : InjectedNames(Context(req).fs).AttrOf(ino);
  if (!entry) return Served(req).getattr(req, ino, fi);
  Context(req).requests.Add(Op::kInjected);
  // Of a directory the kernel keeps no pages by its mtime alone.
  if (!entry->attr.IsDirectory()) plan->NoteTold(ino, entry->attr);
  ReplyAttr(req, *entry);
}

void SetAttr(fuse_req_t req, fuse_ino_t ino, struct stat* attr, int to_set,
             fuse_file_info* fi) {
  const auto plan = PlanOf(req);
  if (plan == nullptr) return Served(req).setattr(req, ino, attr, to_set, fi);
  Context(req).requests.Add(Op::kInjected);
  InjectedNames names(Context(req).fs);
  names.Hold(ino);
  plan->NoteHeld(ino);
  const auto now = names.AttrOf(ino);
  if (!now) return (void)fuse_reply_err(req, ESTALE);
  const auto told = plan->told(ino);
  // An event came between: the kernel is to look once more.
  if (told && !SameAttr(*told, now->attr)) {
    return (void)fuse_reply_err(req, EAGAIN);
  }
  if (now->for_caller_only) {
    const Told since = Context(req).fs.tree().told(ino);
    plan->NoteShorter({ino, now->attr.size, since});
  }
  ReplyAttr(req, Entry{.node = ino, .attr = now->attr});
}

void Mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
           dev_t device) {
  const Asked asked(req, parent, name);
  if (asked.planned == nullptr) {
    return Served(req).mknod(req, parent, name, mode, device);
  }
  ReplyObject(req, asked, asked.planned->after, /*looked_up=*/false);
}

void Mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  const Asked asked(req, parent, name);
  if (asked.planned == nullptr) {
    return Served(req).mkdir(req, parent, name, mode);
  }
  ReplyObject(req, asked, asked.planned->after, /*looked_up=*/false);
}

void Symlink(fuse_req_t req, const char* target, fuse_ino_t parent,
             const char* name) {
  const Asked asked(req, parent, name);
  if (asked.planned == nullptr) {
    return Served(req).symlink(req, target, parent, name);
  }
  ReplyObject(req, asked, asked.planned->after, /*looked_up=*/false);
}

void Link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  const Asked asked(req, parent, name);
  if (asked.planned == nullptr) {
    return Served(req).link(req, ino, parent, name);
  }
  ReplyObject(req, asked, asked.planned->after, /*looked_up=*/false);
}

void Unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  const Asked asked(req, parent, name);
  if (asked.planned == nullptr) return Served(req).unlink(req, parent, name);
  fuse_reply_err(req, 0);
}

void Rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  const Asked asked(req, parent, name);
  if (asked.planned == nullptr) return Served(req).rmdir(req, parent, name);
  fuse_reply_err(req, 0);
}

void Rename(fuse_req_t req, fuse_ino_t parent, const char* name,
            fuse_ino_t new_parent, const char* new_name, unsigned flags) {
  const Asked asked(req, parent, name);
  if (asked.planned == nullptr) {
    return Served(req).rename(req, parent, name, new_parent, new_name, flags);
  }
  fuse_reply_err(req, 0);
}

}  // namespace

void PutHandsFirst(fuse_lowlevel_ops& ops) {
  ops.lookup = Lookup;
  ops.getattr = GetAttr;
  ops.setattr = SetAttr;
  ops.mknod = Mknod;
  ops.mkdir = Mkdir;
  ops.symlink = Symlink;
  ops.link = Link;
  ops.unlink = Unlink;
  ops.rmdir = Rmdir;
  ops.rename = Rename;
}

}  // namespace warmfs::fuse
