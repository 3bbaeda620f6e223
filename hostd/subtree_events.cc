#include "hostd/subtree_events.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace warmfs::hostd {
namespace {

// Remembered, that is; those that are forgotten are told once more.
constexpr size_t kMostRevoked = 65536;

bool IsFirstHalf(const Change& change) {
  return change.kind == ChangeKind::kMovedFrom ||
         change.kind == ChangeKind::kRemoved ||
         change.kind == ChangeKind::kHidden;
}

// Are the two, one behind the other, one move within the tree?
bool AreAMove(const Change& from, const Change& to) {
  if (from.kind == ChangeKind::kMovedFrom) {
    return to.kind == ChangeKind::kMovedTo;
  }
  return from.kind == ChangeKind::kRemoved && to.kind == ChangeKind::kCreated &&
         !from.id.IsNull() && from.id == to.id;
}

bool SamePlace(const Change& a, const Change& b) {
  return a.name == b.name && a.path == b.path;
}

// Is it the removal of what the move behind it replaces?
bool IsReplacement(const std::vector<Change>& batch, size_t i) {
  return batch[i].kind == ChangeKind::kRemoved && i + 2 < batch.size() &&
         AreAMove(batch[i + 1], batch[i + 2]) &&
         SamePlace(batch[i], batch[i + 2]);
}

// A move between hostd's own folder and the rest is none that clients know.
Change WithoutHidden(const std::vector<Change>& batch, size_t i) {
  Change change = batch[i];
  const auto hidden = [&](size_t j) {
    return j < batch.size() && batch[j].kind == ChangeKind::kHidden;
  };
  if (change.kind == ChangeKind::kMovedFrom && hidden(i + 1)) {
    change.kind = ChangeKind::kRemoved;
  } else if (change.kind == ChangeKind::kMovedTo && i > 0 && hidden(i - 1)) {
    change.kind = ChangeKind::kCreated;
  }
  return change;
}

bool ChangesNames(const Change& change) {
  switch (change.kind) {
    case ChangeKind::kCreated:
    case ChangeKind::kRemoved:
    case ChangeKind::kMovedFrom:
    case ChangeKind::kMovedTo:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool MayBeHalfAMove(const std::vector<Change>& batch) {
  return !batch.empty() && IsFirstHalf(batch.back());
}

SubtreeEvents::SubtreeEvents(const Tree& tree, LeasedDirs& dirs,
                             Markers& markers, Watcher& watcher,
                             Journal& journal, bool source_tells_closes,
                             const WatcherOptions& options)
    : tree_(tree),
      dirs_(dirs),
      markers_(markers),
      watcher_(watcher),
      source_tells_closes_(source_tells_closes),
      earlier_leases_(options.earlier.has_value()),
      written_(options.close_after),
      out_(watcher.claims(), journal) {}

void SubtreeEvents::StartBatch() {
  states_.clear();
  directories_.clear();
  busy_.clear();
  out_.StartBatch();
}

void SubtreeEvents::EndBatch() {
  for (const FileId& dir : std::exchange(uncovered_, {})) {
    if (dirs_.Drop(dir)) out_.Revoke(dir);
  }
  out_.Flush();
  open_fd_.Reset();
}

bool SubtreeEvents::Process(std::vector<Change> batch) {
  StartBatch();
  for (const Change& change : batch) {
    if (ChangesNames(change)) busy_.insert(change.path);
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    out_.SetTaken(batch[i].taken);
    const Change* const next = i + 1 < batch.size() ? &batch[i + 1] : nullptr;
    if (batch[i].kind == ChangeKind::kMarker) {
      Marker(batch[i]);
    } else if (IsReplacement(batch, i)) {
      DropPlace(batch[i]);
    } else if (next != nullptr && AreAMove(batch[i], *next)) {
      Move(batch[i++], *next);
    } else {
      Handle(WithoutHidden(batch, i));
    }
    if (out_.IsFull()) out_.Flush();
  }
  EndBatch();
  return out_.all_own();
}

void SubtreeEvents::Marker(const Change& marker) {
  const bool fence = markers_.last_fence() > markers_.come();
  if (fence) TellClosedUntil(absl::InfiniteFuture());
  markers_.SetCome(marker.marker);
  watcher_.claims().Forget(marker.marker);
}

void SubtreeEvents::Handle(const Change& change) {
  switch (change.kind) {
    case ChangeKind::kCreated:
      return Named(change, EventKind::kCreated);
    case ChangeKind::kRemoved:
      return Named(change, EventKind::kDeleted);
    case ChangeKind::kMovedFrom:
      // What happens in it out there is not told, and it may come back.
      if (earlier_leases_ && change.directory.value_or(true)) {
        return NewEpoch();
      }
      return Named(change, EventKind::kMovedFrom);
    case ChangeKind::kMovedTo:
      return Named(change, EventKind::kMovedTo);
    case ChangeKind::kModified:
      return Named(change, EventKind::kModified);
    case ChangeKind::kAttributes:
      return Named(change, EventKind::kAttributes);
    case ChangeKind::kClosedWrite:
      return Named(change, EventKind::kClosedWrite);
    case ChangeKind::kEnded:
      ended_ = true;
      return NewEpoch();
    case ChangeKind::kLost:
      ++overflows_;
      return NewEpoch();
    case ChangeKind::kHidden:
    case ChangeKind::kMarker:
      return;
  }
}

void SubtreeEvents::NewEpoch() {
  earlier_leases_ = false;
  revoked_.clear();
  dirs_.Clear();
  written_.Clear();
  out_.NewEpoch();
}

void SubtreeEvents::Move(const Change& from, const Change& to) {
  const FileId from_dir = DirOf(from), to_dir = DirOf(to);
  const bool both = !from_dir.IsNull() && !to_dir.IsNull();
  // What is there now is a directory, or what had been there was leased.
  bool directory = DropPlace(from);
  DropPlace(to);
  if (!to_dir.IsNull()) {
    const EntryState& state = Look(to_dir, to.name);
    if (!state.attr.id.IsNull()) directory = state.attr.IsDirectory();
  }
  if (to.directory) directory = *to.directory;
  const uint32_t cookie = both ? ++last_cookie_ : 0;
  Named(from, EventKind::kMovedFrom, cookie, directory);
  Named(to, EventKind::kMovedTo, cookie, directory);
}

bool SubtreeEvents::DropPlace(const Change& change) {
  const std::vector<FileId> dropped =
      dirs_.DropAt(Joined(change.path, change.name));
  if (dropped.empty()) return false;
  for (const FileId& dir : dropped) out_.Revoke(dir);
  // What is there is leased anew by the next look.
  states_.erase({DirOf(change), change.name});
  return true;
}

FileId SubtreeEvents::DirOf(const Change& change) const {
  if (!change.dir.IsNull()) {
    return dirs_.Has(change.dir) ? change.dir : FileId();
  }
  return dirs_.At(change.path);
}

// A directory that cannot be told may be any.
void SubtreeEvents::RevokeEarlier(const Change& change) {
  if (!earlier_leases_) return;
  FileId id = change.dir;
  if (id.IsNull()) {
    UniqueFd fd;
    Attr attr;
    if (tree_.jail().Open(change.path, &fd) == 0 &&
        tree_.attrs().Read(fd.get(), &attr) == 0) {
      id = attr.id;
    }
  }
  if (id.IsNull()) return NewEpoch();
  if (revoked_.size() >= kMostRevoked) revoked_.clear();
  if (revoked_.insert(id).second) out_.Revoke(id);
}

void SubtreeEvents::Named(const Change& change, EventKind kind, uint32_t cookie,
                          std::optional<bool> directory) {
  const bool goes =
      kind == EventKind::kDeleted || kind == EventKind::kMovedFrom;
  const bool moves = goes || kind == EventKind::kMovedTo;
  // A move has dropped both places already, and says what it is.
  const bool known = directory.has_value();
  if (!known) directory = change.directory;
  bool was_directory = false;
  if (moves && !known) {
    was_directory = DropPlace(change);
  } else if (!moves) {
    was_directory = !dirs_.At(Joined(change.path, change.name)).IsNull();
  }
  const FileId dir = DirOf(change);
  if (dir.IsNull()) return RevokeEarlier(change);
  const Place place(dir, change.name);
  if (goes) {
    if (const auto file = written_.Take(place)) Closed(*file);
  }
  Event event = LookFor(place, kind);
  event.directory =
      directory.value_or(was_directory || event.entry.IsDirectory());
  event.cookie = cookie;
  if (kind == EventKind::kModified && event.directory) {
    const bool is_told = event.entry.id.IsNull() ||
                         !dirs_.SetTold(event.entry.id, event.entry.ctime);
    if (is_told || busy_.contains(Joined(change.path, change.name))) return;
    event.kind = EventKind::kAttributes;
  }
  Tell(std::move(event));
}

void SubtreeEvents::Tell(Event event) {
  const uint64_t owner = watcher_.claims().OwnerOf(event, markers_.come() + 1);
  NoteWritten(event, owner);
  TellAs(std::move(event), owner);
}

void SubtreeEvents::TellAs(Event event, uint64_t owner) {
  const FileId dir = event.dir;
  dirs_.SetTold(dir, event.dir_attr.ctime);
  out_.EmitAs(std::move(event), owner);
  if (uncovered_.erase(dir) > 0 && dirs_.Drop(dir)) out_.Revoke(dir);
}

void SubtreeEvents::NoteWritten(const Event& event, uint64_t owner) {
  const bool wrote =
      event.kind == EventKind::kModified || event.kind == EventKind::kCreated;
  const bool file = event.entry.id.IsNull() || event.entry.IsRegular();
  if (source_tells_closes_ || !wrote || !file || event.directory) return;
  const auto gone = written_.Note({event.dir, event.name}, owner, absl::Now());
  if (gone) Closed(*gone);
}

void SubtreeEvents::Closed(const WrittenFile& file) {
  if (!dirs_.Has(file.place.first)) return;
  TellAs(LookFor(file.place, EventKind::kClosedWrite), file.owner);
}

void SubtreeEvents::TellClosedUntil(absl::Time now) {
  while (const auto file = written_.TakeDue(now)) Closed(*file);
}

void SubtreeEvents::TellClosed(absl::Time now) {
  StartBatch();
  out_.SetTaken(StampOf(now));
  TellClosedUntil(now);
  EndBatch();
}

int SubtreeEvents::Open(const FileId& dir) {
  if (open_fd_ && open_dir_ == dir) return open_fd_.get();
  open_fd_.Reset();
  Attr attr;
  const auto path = dirs_.PathOf(dir);
  if (!path || tree_.jail().Open(*path, &open_fd_) != 0 ||
      tree_.attrs().Read(open_fd_.get(), &attr) != 0 || attr.id != dir) {
    open_fd_.Reset();
    return -1;
  }
  open_dir_ = dir;
  return open_fd_.get();
}

const Attr& SubtreeEvents::LookAtDirectory(const FileId& dir) {
  const auto [it, is_new] = directories_.try_emplace(dir);
  if (!is_new || Open(dir) < 0) return it->second;
  if (tree_.attrs().Read(open_fd_.get(), &it->second) != 0) {
    it->second = Attr();
  }
  return it->second;
}

const EntryState& SubtreeEvents::Look(const FileId& dir,
                                      const std::string& name) {
  const auto [it, is_new] = states_.try_emplace({dir, name});
  bool uncovered = false;
  if (is_new && Open(dir) >= 0) {
    it->second = LookAtEntry(
        tree_.attrs(), open_fd_.get(), {dir, name},
        [this](int fd, const Place& place, Attr* attr) {
          return watcher_.Cover(fd, place, attr);
        },
        &uncovered);
  }
  if (uncovered) uncovered_.insert(dir);
  return it->second;
}

// The directory before the name: one that is newer than a client knows proves
// that what is told of the name is.
Event SubtreeEvents::LookFor(const Place& place, EventKind kind) {
  Event event;
  event.kind = kind;
  event.dir = place.first;
  event.name = place.second;
  event.dir_attr = LookAtDirectory(place.first);
  const EntryState& state = Look(place.first, place.second);
  event.entry = state.attr;
  event.target = state.target;
  return event;
}

}  // namespace warmfs::hostd
