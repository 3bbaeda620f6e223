#include "fuse/applier.h"

#include <algorithm>

namespace warmfs::fuse {
namespace {

bool IsMove(const Event& from, const Event& to) {
  return from.kind == EventKind::kMovedFrom && to.kind == EventKind::kMovedTo &&
         from.cookie != 0 && from.cookie == to.cookie;
}

InjectionKind ContentKind(EventKind kind) {
  switch (kind) {
    case EventKind::kModified:
      return InjectionKind::kModify;
    case EventKind::kClosedWrite:
      return InjectionKind::kCloseWrite;
    default:
      return InjectionKind::kAttributes;
  }
}

}  // namespace

std::vector<Injection> Applier::Apply(uint64_t journal,
                                      absl::Span<const Event> events) {
  std::vector<Injection> raised;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    const bool move = i + 1 < events.size() && IsMove(event, events[i + 1]);
    const bool quiet = AwaitOwnChanges(event);
    const bool quiet_there = !move || AwaitOwnChanges(events[i + 1]);
    absl::MutexLock lock(&fs_.apply_mu_);
    fs_.taken_in_ = events[i + (move ? 1 : 0)].sequence;
    cache::Edit edit;
    const Subject first = LookUp(event);
    if (!quiet) Cross(first);
    const Decision decision = Decide(first.known, event);
    WantDrop(first, decision);
    Take(first, decision, move, edit);
    TellKernel(first, decision);
    bool changes = decision.Changes() || event.kind == EventKind::kRevoked;
    std::optional<Injection> injection;
    if (move) {
      const Subject second = LookUp(events[++i]);
      if (!quiet_there) Cross(second);
      const Decision arrival = Decide(second.known, events[i]);
      WantDrop(second, arrival);
      Take(second, arrival, false, edit);
      TellKernel(second, arrival);
      changes = changes || arrival.Changes();
      injection = RaiseMove(first, second, decision.raise || arrival.raise);
      if (observer_) observer_(events[i], arrival, nullptr);
    } else {
      injection = Raise(first, decision);
    }
    if (observer_)
      observer_(event, decision, injection ? &*injection : nullptr);
    if (injection) raised.push_back(*std::move(injection));
    // What changed nothing needs no cursor of its own: seeing it again changes
    // nothing either.
    if (!changes && i + 1 < events.size()) continue;
    edit.SetCursor({journal, events[i].sequence});
    fs_.cache_.Commit(std::move(edit));
  }
  return raised;
}

bool Applier::AwaitOwnChanges(const Event& event) const {
  bool quiet = true;
  for (const FileId& id : {event.dir, event.entry.id}) {
    const NodeId node = id.IsNull() ? 0 : fs_.tree_.Find(id);
    quiet = (node == 0 || fs_.tree_.AwaitChanges(node, kPatience)) && quiet;
  }
  return quiet;
}

void Applier::Cross(const Subject& s) const {
  fs_.tree_.Touch(s.dir_node);
  fs_.tree_.Touch(s.entry_node);
}

Applier::Subject Applier::LookUp(const Event& event) {
  Subject s{.event = &event};
  const auto attr_of = [&](const FileId& id,
                           NodeId& node) -> std::optional<KnownAttr> {
    node = fs_.tree_.Find(id);
    if (auto view = node == 0 ? std::nullopt : fs_.tree_.Look(node)) {
      if (id == event.dir) {
        s.known.dir_missed_events = view->missed_events;
        s.known.names_by_reply = view->names_by_reply;
      }
      return KnownAttr{view->attr, view->told_by_event};
    }
    if (auto record = fs_.cache_.GetNode(id)) {
      return KnownAttr{record->attr, /*told_by_event=*/id == event.dir};
    }
    return std::nullopt;
  };
  if (!event.dir.IsNull()) s.known.dir = attr_of(event.dir, s.dir_node);
  s.known.dir_held = s.dir_node != 0;
  if (!event.name.empty()) {
    const auto found = fs_.cache_.Lookup(event.dir, event.name);
    s.known.name = found.presence;
    if (found.presence == cache::Presence::kPresent) {
      NodeId node = 0;
      auto old = attr_of(found.id, node);
      s.known.old = old ? old->attr : Attr{.id = found.id};
    }
  }
  if (!event.entry.id.IsNull()) {
    s.known.entry = attr_of(event.entry.id, s.entry_node);
  }
  s.known.entry_held = s.entry_node != 0;
  RestoreLinks(s);
  return s;
}

void Applier::RestoreLinks(Subject& s) {
  const Event& e = *s.event;
  if (!e.own && s.known.entry && !e.entry.IsDirectory() &&
      e.entry.nlink < s.known.entry->attr.nlink) {
    if (lost_links_.size() >= kMaxLostLinks) lost_links_.clear();
    lost_links_[e.entry.id] += s.known.entry->attr.nlink - e.entry.nlink;
  }
  const bool takes_name =
      e.kind == EventKind::kDeleted || e.kind == EventKind::kMovedTo;
  if (!takes_name || !s.known.old || s.known.old->id == e.entry.id) return;
  const auto lost = lost_links_.find(s.known.old->id);
  if (lost == lost_links_.end()) return;
  s.known.old->nlink += lost->second;
  if (--lost->second == 0) lost_links_.erase(lost);
}

bool Applier::ChangesLinks(const Subject& s) {
  const Event& e = *s.event;
  return e.dir.IsNull() && e.kind == EventKind::kAttributes && s.known.entry &&
         s.known.entry->attr.nlink != e.entry.nlink;
}

// --- the cache, the tree and the kernel ---

void Applier::Take(const Subject& s, const Decision& d, bool moves,
                   cache::Edit& edit) {
  const Event& e = *s.event;
  const Instant now = fs_.clock_.Now();
  if (e.kind == EventKind::kRevoked) return Revoke(e, edit);
  TakeName(s, d, moves, edit);
  if (d.take_entry) {
    edit.PutAttr(e.entry);
    if (!e.target.empty()) edit.PutTarget(e.entry, e.target);
    // A listing that is under way may tell of it as it was.
    const bool stale = d.drop_entry == Drop::kAttrAndPages;
    if (fs_.tree_.ApplyEvent(e.entry, now, stale) == 0) {
      fs_.tree_.Touch(s.dir_node);
    }
  }
  if (d.take_dir) {
    edit.PutAttr(e.dir_attr);
    fs_.tree_.ApplyEvent(e.dir_attr, now, /*stale=*/false);
  }
  if (d.drop_blocks) {
    // Whoever keeps such blocks looks for the touch afterwards.
    fs_.tree_.Touch(s.entry_node);
    fs_.DropBlocks(e.entry.id);
  }
  if (d.doubt_names) {
    edit.SetLease(e.dir, 0);
    fs_.tree_.ExpireListing(s.dir_node);
    fs_.tree_.Touch(s.dir_node);
  }
  if (d.doubt_entry) {
    // Nor is it believed after a crash, before anybody has asked.
    const auto view = fs_.tree_.Look(s.entry_node);
    edit.SetLease(view ? view->parent_id : e.dir, 0);
    fs_.tree_.ExpireAttr(s.entry_node);
    fs_.tree_.Touch(s.entry_node);
  }
}

void Applier::TakeName(const Subject& s, const Decision& d, bool moves,
                       cache::Edit& edit) {
  const Event& e = *s.event;
  if (d.name == Decision::Name::kKeep) return;
  fs_.tree_.NamesByEvent(s.dir_node);
  if (d.name == Decision::Name::kSet) {
    edit.PutEntry(e.dir, e.name, e.entry.id);
    const bool one_place = e.entry.nlink == 1 || e.entry.IsDirectory();
    if (s.dir_node != 0 && one_place) {
      fs_.tree_.Move(e.entry.id, s.dir_node, e.name);
    }
  } else {
    edit.RemoveEntry(e.dir, e.name);
  }
  if (!d.forget_old || moves) return;
  edit.Forget(s.known.old->id);
  const NodeId node = fs_.tree_.Find(s.known.old->id);
  const auto view = fs_.tree_.Look(node);
  const bool was_here =
      view && view->parent == s.dir_node && view->name == e.name;
  if (was_here) fs_.tree_.Displace(node);
}

void Applier::Revoke(const Event& event, cache::Edit& edit) {
  edit.SetLease(event.dir, 0);
  fs_.tree_.Revoke(event.dir);
  // The kernel keeps nothing of it any longer than it would without a lease.
  const NodeId node = fs_.tree_.Find(event.dir);
  if (node == 0) return;
  fs_.DropPages(node);
  fs_.cache_.VisitEntries(event.dir, [&](const cache::EntryView& entry) {
    fs_.invalidations_.entry(node, entry.name);
    return true;
  });
}

// Before anybody sees the new content; the kernel is told afterwards.
void Applier::WantDrop(const Subject& s, const Decision& d) const {
  if (d.drop_entry == Drop::kAttrAndPages) fs_.drops_.Want(s.entry_node);
}

void Applier::TellKernel(const Subject& s, const Decision& d) {
  const Invalidations& kernel = fs_.invalidations_;
  const auto drop = [&](NodeId node, Drop what) {
    if (node == 0 || what == Drop::kNothing) return;
    what == Drop::kAttr ? kernel.attr(node) : fs_.DropPages(node);
  };
  drop(s.entry_node, d.drop_entry);
  if (d.drop_name) kernel.entry(s.dir_node, s.event->name);
  drop(s.dir_node, d.drop_dir);
}

// --- what is raised ---

Attr Applier::Before(const Subject& s) const {
  const Event& e = *s.event;
  if (auto then = timeline_.At(e.dir, e.name)) return *then;
  return s.known.old.value_or(Attr());
}

Injection Applier::RaiseCreate(const Subject& s, Injection in) {
  const Event& e = *s.event;
  const bool there =
      !e.entry.id.IsNull() && e.entry.IsDirectory() == e.directory;
  in.kind = InjectionKind::kCreate;
  in.object = there ? e.entry : timeline_.MakeUp(e.directory);
  in.target = there ? e.target : "";
  if (e.directory || in.object.nlink < 2) return in;
  const auto view = fs_.tree_.Look(s.entry_node);
  const bool elsewhere = view && view->parent != 0 &&
                         (view->parent != s.dir_node || view->name != e.name);
  if (!elsewhere) return in;
  in.kind = InjectionKind::kLink;
  in.to_dir = view->parent;
  in.to_name = view->name;
  return in;
}

std::optional<Injection> Applier::Raise(const Subject& s, const Decision& d) {
  const Event& e = *s.event;
  Injection in{.dir = s.dir_node, .name = e.name, .sequence = e.sequence};
  Attr before = Before(s);
  if (before.IsDirectory() != e.directory) before = Attr();
  const auto object = [&] {
    const bool known = !before.id.IsNull() && before.mode != 0;
    return known ? before : timeline_.MakeUp(e.directory);
  };
  Attr after;  // what the name stands for once the event has happened
  switch (e.kind) {
    case EventKind::kCreated:
      in = RaiseCreate(s, std::move(in));
      after = in.object;
      break;
    case EventKind::kMovedTo:
      in.kind = InjectionKind::kMoveIn;
      in.replaced = Before(s);
      after = in.object =
          e.entry.id.IsNull() ? timeline_.MakeUp(e.directory) : e.entry;
      break;
    case EventKind::kDeleted:
    case EventKind::kMovedFrom:
      in.kind = e.kind == EventKind::kDeleted ? InjectionKind::kDelete
                                              : InjectionKind::kMoveOut;
      in.object = object();
      in.object.nlink = std::max(in.object.nlink, 1u);
      break;
    case EventKind::kRevoked:
      return std::nullopt;
    default: {
      // A change of links is raised with the name that comes or goes.
      if (!d.raise || ChangesLinks(s)) return std::nullopt;
      in.kind = ContentKind(e.kind);
      in.object = e.name.empty() ? e.dir_attr : object();
      if (!e.dir.IsNull() && s.dir_node != 0) return in;
      // By a name that the host does not know, or in a directory that this
      // kernel does not hold: by the name under which it holds the file.
      const auto view = fs_.tree_.Look(s.entry_node);
      if (!view || view->parent == 0) return std::nullopt;
      in.dir = view->parent;
      in.name = view->name;
      in.object = e.entry;
      return in;
    }
  }
  timeline_.Set(e.dir, e.name, after, e.entry.id);
  if (!d.raise || s.dir_node == 0) return std::nullopt;
  return in;
}

std::optional<Injection> Applier::RaiseMove(const Subject& from,
                                            const Subject& to, bool raise) {
  const Event& old_name = *from.event;
  const Event& new_name = *to.event;
  Injection in{.kind = InjectionKind::kRename,
               .dir = from.dir_node,
               .name = old_name.name,
               .to_dir = to.dir_node,
               .to_name = new_name.name,
               .object = Before(from),
               .replaced = Before(to),
               .sequence = new_name.sequence};
  // An exchange comes as two moves. What went by the first is where the second
  // starts, and stays there. (With nothing at the new name it has come back,
  // and was looked at after that.)
  Attr stays;
  if (!in.object.id.IsNull() && old_name.entry.id == in.object.id &&
      !new_name.entry.id.IsNull() && new_name.entry.id != in.object.id) {
    stays = std::exchange(in.object, new_name.entry);
  }
  if (in.object.id.IsNull() || in.object.mode == 0 ||
      in.object.IsDirectory() != old_name.directory) {
    in.object = new_name.entry.id.IsNull()
                    ? timeline_.MakeUp(old_name.directory)
                    : new_name.entry;
  }
  timeline_.Set(old_name.dir, old_name.name, stays, old_name.entry.id);
  timeline_.Set(new_name.dir, new_name.name, in.object, new_name.entry.id);
  if (!raise) return std::nullopt;
  if (in.dir != 0 && in.to_dir != 0) return in;
  if (in.dir == 0 && in.to_dir == 0) return std::nullopt;
  if (in.to_dir == 0) {
    in.kind = InjectionKind::kMoveOut;
  } else {
    in.kind = InjectionKind::kMoveIn;
    in.dir = std::exchange(in.to_dir, 0);
    in.name = std::exchange(in.to_name, "");
  }
  return in;
}

}  // namespace warmfs::fuse
