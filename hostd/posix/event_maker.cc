#include "hostd/posix/event_maker.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <tuple>

namespace warmfs::hostd {
namespace {

// The two events that one change of a file with its own watch makes are queued
// together; a few of other threads may come between.
constexpr size_t kToldByName = 16;
constexpr size_t kNearTheEnd = 16;

std::optional<EventKind> KindOf(uint32_t mask) {
  switch (mask & IN_ALL_EVENTS) {
    case IN_CREATE:
      return EventKind::kCreated;
    case IN_DELETE:
      return EventKind::kDeleted;
    case IN_MOVED_FROM:
      return EventKind::kMovedFrom;
    case IN_MOVED_TO:
      return EventKind::kMovedTo;
    case IN_MODIFY:
      return EventKind::kModified;
    case IN_ATTRIB:
      return EventKind::kAttributes;
    case IN_CLOSE_WRITE:
      return EventKind::kClosedWrite;
    default:
      return std::nullopt;
  }
}

// Puts the second half of each move behind the first. What was queued between
// them is by others, about something else or about the new name. A half that is
// alone loses its cookie.
std::vector<RawEvent> PairMoves(std::vector<RawEvent> batch) {
  absl::flat_hash_map<uint32_t, size_t> arrivals;
  for (size_t i = 0; i < batch.size(); ++i) {
    if ((batch[i].mask & IN_MOVED_TO) != 0) arrivals[batch[i].cookie] = i;
  }
  std::vector<RawEvent> paired;
  std::vector<bool> moved(batch.size());
  paired.reserve(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    if (moved[i]) continue;
    const bool from = (batch[i].mask & IN_MOVED_FROM) != 0;
    const auto to = from ? arrivals.find(batch[i].cookie) : arrivals.end();
    paired.push_back(std::move(batch[i]));
    if (to == arrivals.end() || to->second < i) {
      paired.back().cookie = 0;
      continue;
    }
    paired.push_back(std::move(batch[to->second]));
    moved[to->second] = true;
  }
  return paired;
}

}  // namespace

bool EndsInHalfAMove(const std::vector<RawEvent>& batch) {
  const size_t first = batch.size() - std::min(batch.size(), kNearTheEnd);
  for (size_t i = first; i < batch.size(); ++i) {
    if ((batch[i].mask & IN_MOVED_FROM) == 0) continue;
    const bool whole =
        std::any_of(batch.begin() + static_cast<ptrdiff_t>(i) + 1, batch.end(),
                    [&](const RawEvent& other) {
                      return (other.mask & IN_MOVED_TO) != 0 &&
                             other.cookie == batch[i].cookie;
                    });
    if (!whole) return true;
  }
  return false;
}

EventMaker::EventMaker(const Tree& tree, Watches& watches, Claims& claims,
                       Journal& journal)
    : tree_(tree), watches_(watches), claims_(claims), out_(claims, journal) {
  Attr root;
  if (tree.attrs().Read(tree.jail().root(), &root) == 0) root_ = root.id;
}

bool EventMaker::Process(std::vector<RawEvent> batch, uint64_t position,
                         absl::FunctionRef<void()> take_more) {
  states_.clear();
  directories_.clear();
  out_.StartBatch();
  for (const RawEvent& raw : PairMoves(std::move(batch))) {
    Handle(raw);
    // A second half was put ahead of others: they have yet to be asked about.
    if ((raw.mask & IN_MOVED_TO) == 0) claims_.Forget(raw.end);
    if (!out_.IsFull()) continue;
    out_.Flush();
    take_more();
  }
  out_.Flush();
  claims_.Forget(position);
  watches_.DropReplaced(position);
  return out_.all_own();
}

void EventMaker::Handle(const RawEvent& raw) {
  out_.SetTaken(raw.taken);
  if (raw.watch < 0) return Overflow();
  const auto watch = watches_.Find(raw.watch);
  if (watch == nullptr) return;  // dropped meanwhile
  if ((raw.mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF)) != 0) {
    return Gone(*watch);
  }
  const auto kind = KindOf(raw.mask);
  if (!kind) return;
  if (!raw.name.empty()) {
    Named(*watch, raw, *kind);
  } else if (watch->directory) {
    OfDirectoryItself(*watch, raw, *kind);
  } else {
    OfFileItself(*watch, raw, *kind);
  }
}

void EventMaker::Named(const Watch& watch, const RawEvent& raw,
                       EventKind kind) {
  // Before the look, which notes what is there now.
  const FileId former = watches_.At({watch.id, raw.name});
  Event event;
  // Before the name: a directory that is newer than a client knows proves that
  // what is told of the name is.
  event.dir_attr = LookAtDirectory(watch);
  const EntryState& state = Look(watch, raw.name, kind);
  event.kind = kind;
  event.directory = (raw.mask & IN_ISDIR) != 0;
  event.cookie = raw.cookie;
  event.dir = watch.id;
  event.name = raw.name;
  event.entry = state.attr;
  event.target = state.target;
  if (event.directory) Left(former, event);
  if (event.entry.nlink > 1 && watches_.TellsItself(event.entry.id, raw.end)) {
    told_.push_back({event.entry.id, kind});
    if (told_.size() > kToldByName) told_.pop_front();
  }
  out_.Emit(std::move(event), raw.end);
  if (std::exchange(uncovered_, false) && watches_.Drop(watch.id)) {
    out_.Revoke(watch.id);
  }
}

void EventMaker::Left(const FileId& child, const Event& event) {
  if (child.IsNull()) return;
  if (event.kind == EventKind::kDeleted && event.entry.id != child) {
    watches_.Drop(child);
  }
  // Moved to where nobody watches; that may be outside of the export.
  if (event.kind == EventKind::kMovedFrom && event.cookie == 0) {
    for (const FileId& dir : watches_.DropIfOutside(child)) out_.Revoke(dir);
  }
}

void EventMaker::OfDirectoryItself(const Watch& watch, const RawEvent& raw,
                                   EventKind kind) {
  if (ParentTells(watch)) return TellAsParent(watch, raw, kind);
  if (kind != EventKind::kAttributes) return;
  Event event;
  event.kind = EventKind::kAttributes;
  event.directory = true;
  event.dir = watch.id;
  event.dir_attr = LookAtDirectory(watch);
  out_.Emit(std::move(event), raw.end);
}

// What inotify has told the parent's watch already.
void EventMaker::TellAsParent(const Watch& watch, const RawEvent& raw,
                              EventKind kind) {
  // That it is deleted is told by its name.
  if (watches_.ParentsAreTold() || LookAtDirectory(watch).id.IsNull()) return;
  RawEvent named = raw;
  std::shared_ptr<const Watch> parent;
  std::tie(parent, named.name) = watches_.ParentOf(watch.id);
  if (parent != nullptr) Named(*parent, named, kind);
}

// A watched parent on the same file system; a mount's root has none.
bool EventMaker::ParentTells(const Watch& watch) const {
  if (watch.id == root_) return false;
  struct stat own {
  }, parent{};
  Attr attr;
  return fstat(watch.fd(), &own) == 0 &&
         fstatat(watch.fd(), "..", &parent, 0) == 0 &&
         own.st_dev == parent.st_dev &&
         tree_.attrs().ReadEntry(watch.fd(), "..", &attr) == 0 &&
         watches_.Has(attr.id);
}

void EventMaker::OfFileItself(const Watch& watch, const RawEvent& raw,
                              EventKind kind) {
  Event event;
  event.kind = kind;
  if (tree_.attrs().Read(watch.fd(), &event.entry) != 0) return Gone(watch);
  const bool single = event.entry.nlink <= 1;
  if (!ToldByName(watch.id, kind)) out_.Emit(std::move(event), raw.end);
  if (single) watches_.Drop(watch.id);
}

bool EventMaker::ToldByName(const FileId& id, EventKind kind) {
  const auto it = std::find(told_.begin(), told_.end(), std::pair(id, kind));
  if (it == told_.end()) return false;
  told_.erase(it);
  return true;
}

// By a lazy unmount, for one: its names are still there, without it.
void EventMaker::Gone(const Watch& watch) {
  struct stat st {};
  const bool deleted = fstat(watch.fd(), &st) == 0 && st.st_nlink == 0;
  if (!watches_.Drop(watch.id)) return;
  if (watch.directory && !deleted) out_.Revoke(watch.id);
}

void EventMaker::Overflow() {
  ++overflows_;
  // What was moved out of the export meanwhile has told nobody.
  watches_.DropOutside();
  out_.NewEpoch();
}

const EntryState& EventMaker::Look(const Watch& watch, const std::string& name,
                                   EventKind kind) {
  const auto [it, is_new] = states_.try_emplace({watch.number, name});
  if (is_new) {
    const auto cover = [this](int dir_fd, const Place& place, Attr* attr) {
      return watches_.Cover(dir_fd, place, attr);
    };
    UniqueFd pin;
    it->second = LookAtEntry(tree_.attrs(), watch.fd(), {watch.id, name}, cover,
                             &uncovered_, &pin);
    // What has just been made is not replaced as a rule, and there may be a lot
    // of it.
    if (kind != EventKind::kCreated) {
      tree_.Expect({std::move(pin), it->second.attr});
    }
  }
  return it->second;
}

const Attr& EventMaker::LookAtDirectory(const Watch& watch) {
  const auto [it, is_new] = directories_.try_emplace(watch.number);
  if (!is_new) return it->second;
  const int error = tree_.attrs().Read(watch.fd(), &it->second);
  if (error != 0 || it->second.nlink == 0) it->second = Attr();
  return it->second;
}

}  // namespace warmfs::hostd
