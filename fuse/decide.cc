#include "fuse/decide.h"

#include <tuple>

namespace warmfs::fuse {
namespace {

using cache::Presence;

// An event's state against what is known.
enum class Standing { kSame, kNewer, kOlder, kUnclear };

Standing Compare(const std::optional<KnownAttr>& known, const Attr& told) {
  if (!known) return Standing::kNewer;
  if (SameAttr(known->attr, told)) return Standing::kSame;
  if (known->told_by_event || told.ctime > known->attr.ctime) {
    return Standing::kNewer;
  }
  return told.ctime < known->attr.ctime ? Standing::kOlder : Standing::kUnclear;
}

bool ChangesNames(EventKind kind) {
  switch (kind) {
    case EventKind::kCreated:
    case EventKind::kDeleted:
    case EventKind::kMovedFrom:
    case EventKind::kMovedTo:
      return true;
    default:
      return false;
  }
}

// Does the name stand for something else than we know, as far as we know?
bool Contradicts(const Known& known, const Event& event) {
  const bool there = !event.entry.id.IsNull();
  switch (known.name) {
    case Presence::kPresent:
      return !there || !known.old || known.old->id != event.entry.id;
    case Presence::kAbsent:
      return there;
    case Presence::kUnknown:
      return !event.own;  // the kernel may know what the cache does not
  }
  return true;
}

void TakeName(const Known& known, const Event& event, Decision& d) {
  const bool there = !event.entry.id.IsNull();
  d.name = there ? Decision::Name::kSet : Decision::Name::kRemove;
  d.drop_name = known.dir_held;
  if (!known.old) return;
  const bool other_names = known.old->nlink > 1 && !known.old->IsDirectory();
  d.forget_old = known.old->id != event.entry.id && !other_names;
}

void DecideName(const Known& known, const Event& event, Standing dir,
                Decision& d) {
  if (!Contradicts(known, event)) return;
  // The same as an event before this one told, which was newer than the reply
  // with the names; or nothing has changed in the directory between our look
  // and this one.
  const bool by_event = known.dir && known.dir->told_by_event;
  const bool certain =
      dir == Standing::kNewer ||
      (dir == Standing::kSame && (by_event || !event.dir_attr.racy));
  if (!known.names_by_reply || certain) return TakeName(known, event, d);
  if (event.own) return;
  d.doubt_names = true;
  d.drop_name = known.dir_held;
}

void DecideDir(const Known& known, Standing dir, Decision& d) {
  if (dir == Standing::kNewer && known.dir) d.take_dir = true;
  // With the attributes goes the listing that the kernel keeps.
  if (known.dir_held && (d.take_dir || d.drop_name)) {
    d.drop_dir = Drop::kAttrAndPages;
  }
}

void DecideEntry(const Known& known, const Event& event, Decision& d) {
  const Attr& told = event.entry;
  const bool content = !event.own && (event.kind == EventKind::kModified ||
                                      event.kind == EventKind::kClosedWrite);
  Standing standing = Compare(known.entry, told);
  // Of what the kernel does not hold it is not noted who told of it last:
  // events mostly, and those are in order.
  if (!known.entry_held && standing == Standing::kUnclear && !event.own) {
    standing = Standing::kNewer;
  }
  switch (standing) {
    case Standing::kSame:
      // The same version twice: the second content of one tick of the clock, or
      // of a write that took longer. Its time is that of its beginning, and
      // what was read meanwhile has that version too.
      if (content && (event.kind == EventKind::kModified || told.racy ||
                      known.entry->attr.racy)) {
        d.drop_blocks = true;
        d.drop_entry = Drop::kAttrAndPages;
      }
      break;
    case Standing::kNewer: {
      d.take_entry = known.entry.has_value() || d.name == Decision::Name::kSet;
      const bool bytes = content || !known.entry ||
                         known.entry->attr.size != told.size ||
                         known.entry->attr.mtime != told.mtime;
      d.drop_entry = bytes ? Drop::kAttrAndPages : Drop::kAttr;
      break;
    }
    case Standing::kOlder:
    case Standing::kUnclear:
      // What somebody else did in the same moment has an event of its own.
      if (event.own) break;
      if (!known.entry_held) {
        d.doubt_names = !event.dir.IsNull();
        break;
      }
      d.doubt_entry = true;
      // By its name the kernel is told of it anew, and asks for no size before
      // some calls on an open file (copy_file_range).
      d.drop_name = d.drop_name || (known.dir_held && !event.name.empty());
      d.drop_entry = content ? Drop::kAttrAndPages : Drop::kAttr;
      break;
  }
  if (!known.entry_held) d.drop_entry = Drop::kNothing;
}

}  // namespace

bool SameAttr(const Attr& a, const Attr& b) {
  const auto shown = [](const Attr& x) {
    return std::tie(x.id, x.size, x.mtime, x.ctime, x.mode, x.uid, x.gid,
                    x.nlink, x.rdev);
  };
  return shown(a) == shown(b);
}

Decision Decide(const Known& known, const Event& event) {
  Decision d;
  d.raise = !event.own && !known.dir_missed_events &&
            (known.dir_held || known.entry_held);
  const bool of_dir = !event.dir.IsNull() && !event.dir_attr.id.IsNull();
  const Standing dir =
      of_dir ? Compare(known.dir, event.dir_attr) : Standing::kSame;
  if (!event.name.empty() && ChangesNames(event.kind)) {
    // Of a directory that is gone, every name is.
    DecideName(known, event, of_dir ? dir : Standing::kNewer, d);
  }
  if (of_dir) DecideDir(known, dir, d);
  const bool of_entry =
      !event.entry.id.IsNull() && (event.dir.IsNull() || !event.name.empty());
  if (of_entry) DecideEntry(known, event, d);
  return d;
}

}  // namespace warmfs::fuse
