#include "hostd/usn_source.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "hostd/leased_dirs.h"
#include "hostd/name_mapping.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr int kAccessDenied = 5;
constexpr int kInvalidFunction = 1;
constexpr int kNotSupported = 50;
constexpr int kJournalDeleteInProgress = 1178;
constexpr int kJournalNotActive = 1179;

Timestamp Now() {
  const int64_t ns = absl::ToUnixNanos(absl::Now());
  return {ns / 1'000'000'000, static_cast<uint32_t>(ns % 1'000'000'000)};
}

const char* WhyNot(int error) {
  switch (error) {
    case kAccessDenied:
      return "this user may not read it";
    case kInvalidFunction:
    case kNotSupported:
      return "its file system has none";
    case kJournalDeleteInProgress:
      return "it is being deleted";
    case kJournalNotActive:
      return "it is turned off (fsutil usn createjournal, by an administrator)";
    default:
      return "";
  }
}

// "ID NUMBER", both decimal.
bool ParseCursor(std::string_view text, uint64_t* id, int64_t* usn) {
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, *id);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ' ') {
    return false;
  }
  const auto second = std::from_chars(first.ptr + 1, end, *usn);
  return second.ec == std::errc() && second.ptr == end;
}

// hostd's own folder, in the root.
bool IsHidden(const std::string& path) {
  return path == ".warmfs-host" || path.starts_with(".warmfs-host/");
}

}  // namespace

absl::StatusOr<std::unique_ptr<UsnSource>> UsnSource::Create(
    std::unique_ptr<UsnVolume> volume, const std::string& cursor) {
  UsnVolume::Journal journal;
  std::string bytes;
  int error = volume->Query(&journal);
  if (error == 0) error = volume->Read(journal.id, journal.next, &bytes);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("no USN journal of this volume: ", WhyNot(error),
                     " (Windows error ", error, ")"));
  }
  auto source =
      std::unique_ptr<UsnSource>(new UsnSource(std::move(volume), journal));
  if (cursor.empty()) return source;
  uint64_t id = 0;
  int64_t usn = 0;
  source->lost_ = !ParseCursor(cursor, &id, &usn) || id != journal.id ||
                  usn < journal.first || usn > journal.next;
  if (!source->lost_) source->next_ = usn;
  return source;
}

std::string UsnSource::cursor() const {
  if (lost_) return "";
  int64_t from = next_;
  for (const auto& [ref, open] : open_) {
    if (open.moved_from) from = std::min(from, open.moved_at);
  }
  return absl::StrCat(journal_, " ", from);
}

int UsnSource::PlaceMarker(uint64_t number) {
  UsnVolume::Journal journal;
  if (volume_->Query(&journal) != 0) return kEIO;
  {
    absl::MutexLock lock(&mu_);
    markers_.push_back({number, journal.next});
  }
  volume_->Wake();
  return 0;
}

void UsnSource::Wait(absl::Duration timeout) {
  if (!lost_) volume_->Wait(next_, timeout);
}

void UsnSource::Take(std::vector<Change>* out) {
  if (ended_) return;
  taken_ = Now();
  if (std::exchange(lost_, false)) {
    out->push_back({.kind = ChangeKind::kLost, .taken = taken_});
  }
  for (int i = 0; i < kMostReads && !ended_ && ReadSome(out); ++i) {
  }
  GiveMarkers(out);
}

bool UsnSource::ReadSome(std::vector<Change>* out) {
  std::string bytes;
  const int error = volume_->Read(journal_, next_, &bytes);
  const auto batch = error == 0 ? ParseUsnBatch(bytes, next_) : std::nullopt;
  if (!batch) {
    Lose(out);
    return false;
  }
  directories_.clear();
  for (const UsnRecord& record : batch->records) Tell(record, out);
  const bool more = batch->next != next_;
  next_ = batch->next;
  GiveMarkers(out);
  return more;
}

void UsnSource::Lose(std::vector<Change>* out) {
  UsnVolume::Journal journal;
  const bool there = volume_->Query(&journal) == 0;
  ended_ = !there;
  out->push_back({.kind = there ? ChangeKind::kLost : ChangeKind::kEnded,
                  .taken = taken_});
  open_.clear();
  journal_ = journal.id;
  next_ = journal.next;
  // Those that wait may be another journal's; all that was before them is lost.
  absl::MutexLock lock(&mu_);
  for (Marker& marker : markers_) marker.behind = next_;
}

void UsnSource::GiveMarkers(std::vector<Change>* out) {
  absl::MutexLock lock(&mu_);
  while (!markers_.empty() && markers_.front().behind <= next_) {
    out->push_back({.kind = ChangeKind::kMarker,
                    .marker = markers_.front().number,
                    .taken = taken_});
    markers_.pop_front();
  }
}

void UsnSource::ForgetOpen(std::vector<Change>* out) {
  for (auto& [ref, open] : std::exchange(open_, {})) {
    if (open.moved_from) out->push_back(*std::move(open.moved_from));
  }
}

void UsnSource::Tell(const UsnRecord& record, std::vector<Change>* out) {
  if (open_.size() >= kMostOpen) ForgetOpen(out);
  OpenFile& open = open_[record.file];
  // A name is left once for each move, and does not add up.
  const bool leaves =
      (record.reasons & (kUsnRenameOldName | kUsnRenameNewName)) ==
      kUsnRenameOldName;
  if (leaves) open.reasons &= ~(kUsnRenameOldName | kUsnRenameNewName);
  const uint32_t fresh = record.reasons & ~open.reasons;
  const bool directory = (record.attributes & kUsnDirectory) != 0;
  if (directory && (fresh & kUsnOfNames) != 0) directories_.clear();
  TellNames(record, fresh, open, out);
  const auto tell = [&](ChangeKind kind) {
    if (auto change = MakeChange(record, kind, out)) {
      out->push_back(*std::move(change));
    }
  };
  if ((fresh & kUsnWritten) != 0) tell(ChangeKind::kModified);
  if ((fresh & ~(kUsnOfNames | kUsnWritten | kUsnClose)) != 0) {
    tell(ChangeKind::kAttributes);
  }
  const bool closes = (record.reasons & kUsnClose) != 0;
  const bool goes = (record.reasons & kUsnFileDelete) != 0;
  const bool wrote = (record.reasons & (kUsnWritten | kUsnFileCreate)) != 0;
  if (closes && wrote && !goes && !directory) tell(ChangeKind::kClosedWrite);
  if ((fresh & kUsnFileDelete) != 0) tell(ChangeKind::kRemoved);
  open.reasons = record.reasons & ~kUsnRenameOldName;
  if (!closes) return;
  if (open.moved_from) out->push_back(*std::move(open.moved_from));
  open_.erase(record.file);
}

void UsnSource::TellNames(const UsnRecord& record, uint32_t fresh,
                          OpenFile& open, std::vector<Change>* out) {
  if ((fresh & kUsnFileCreate) != 0) {
    if (auto made = MakeChange(record, ChangeKind::kCreated, out)) {
      out->push_back(*std::move(made));
    }
  }
  if ((fresh & kUsnRenameNewName) != 0) {
    TellMove(record, open, out);
  } else if ((fresh & kUsnRenameOldName) != 0) {
    open.moved_from = MakeChange(record, ChangeKind::kMovedFrom, out);
    open.moved_at = record.usn;
  }
  if ((fresh & kUsnHardLinkChange) == 0) return;
  // The record says which name, and not whether it has come or gone.
  auto link = MakeChange(record, ChangeKind::kCreated, out);
  if (!link) return;
  if (!volume_->Exists(Joined(link->path, link->name))) {
    link->kind = ChangeKind::kRemoved;
  }
  out->push_back(*std::move(link));
}

// Both halves, one behind the other, whatever was recorded between them.
void UsnSource::TellMove(const UsnRecord& record, OpenFile& open,
                         std::vector<Change>* out) {
  auto from = std::exchange(open.moved_from, std::nullopt);
  auto to = MakeChange(record, ChangeKind::kMovedTo, out);
  if (from) out->push_back(*std::move(from));
  if (to) out->push_back(*std::move(to));
}

std::optional<Change> UsnSource::MakeChange(const UsnRecord& record,
                                            ChangeKind kind,
                                            std::vector<Change>* out) {
  const bool leaves = kind == ChangeKind::kMovedFrom;
  const bool moves = leaves || kind == ChangeKind::kMovedTo;
  bool unknown = false;
  auto place =
      PlaceOf(record, leaves || kind == ChangeKind::kRemoved, &unknown);
  // Once for many that go together.
  if (unknown && (out->empty() || out->back().kind != ChangeKind::kLost)) {
    out->push_back({.kind = ChangeKind::kLost, .taken = taken_});
  }
  if (!place) return std::nullopt;
  const bool hidden = IsHidden(Joined(place->path, place->name));
  if (hidden && !moves) return std::nullopt;
  Change change{.kind = hidden ? ChangeKind::kHidden : kind,
                .path = std::move(place->path),
                .name = std::move(place->name),
                .id = volume_->IdOf(record.file),
                .directory = (record.attributes & kUsnDirectory) != 0,
                .taken = taken_};
  // Without a name it is where the object is now, which may be elsewhere.
  if (!record.name.empty()) change.dir = volume_->IdOf(record.parent);
  return change;
}

std::optional<UsnSource::Place> UsnSource::PlaceOf(const UsnRecord& record,
                                                   bool goes, bool* unknown) {
  if (!record.name.empty()) {
    const auto& directory = DirectoryOf(record.parent);
    if (!directory) return std::nullopt;
    auto name = FromWindowsName(record.name);
    if (!name) return std::nullopt;
    return Place{*directory, *std::move(name)};
  }
  if (goes) {
    *unknown = record.parent == FileRef{} || DirectoryOf(record.parent);
    return std::nullopt;
  }
  const auto path = volume_->PathOf(record.file);
  if (!path || path->empty()) return std::nullopt;
  const size_t slash = path->rfind('/');
  if (slash == path->npos) return Place{"", *path};
  return Place{path->substr(0, slash), path->substr(slash + 1)};
}

const std::optional<std::string>& UsnSource::DirectoryOf(const FileRef& ref) {
  const auto [it, is_new] = directories_.try_emplace(ref);
  if (is_new) it->second = volume_->PathOf(ref);
  return it->second;
}

}  // namespace warmfs::hostd
