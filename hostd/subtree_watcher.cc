#include "hostd/subtree_watcher.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr absl::Duration kOtherHalf = absl::Milliseconds(1);
constexpr absl::Duration kMarkerWait = absl::Seconds(1);
constexpr absl::Duration kKeepAfter = absl::Seconds(1);
// A row of the table has a path.
constexpr size_t kMostDirs = 1 << 18;
// How often an entry may be another object at each look.
constexpr int kCoverAttempts = 4;

bool TellsOfClientsFiles(const Change& change) {
  return change.kind != ChangeKind::kHidden &&
         change.kind != ChangeKind::kMarker;
}

}  // namespace

SubtreeWatcher::SubtreeWatcher(const Tree& tree,
                               std::unique_ptr<SubtreeSource> source,
                               const WatcherOptions& options,
                               std::unique_ptr<BookmarkFile> kept)
    : DrainedWatcher(options, markers_),
      tree_(tree),
      source_(std::move(source)),
      kept_file_(std::move(kept)),
      markers_(*source_),
      dirs_(std::min<size_t>(options.max_watches, kMostDirs)),
      events_(tree, dirs_, markers_, *this, journal_,
              source_->ways().tells_closes, options) {
  KeepIfDue(absl::InfiniteFuture());
  // Another hostd might go on from where this one does.
  if (options.earlier && kept_ != journal_.head()) events_.NewEpoch();
  StartDraining();
}

SubtreeWatcher::~SubtreeWatcher() {
  EndDraining();
  KeepIfDue(absl::InfiniteFuture());
}

void SubtreeWatcher::KeepIfDue(absl::Time now) {
  if (kept_file_ == nullptr) return;
  const JournalPos head = journal_.head();
  if (head != kept_ || moved_on_) {
    keep_due_ = std::min(keep_due_, now + kKeepAfter);
  }
  if (now < keep_due_) return;
  keep_due_ = absl::Now() + options_.keep_anew;
  const std::string cursor = source_->cursor();
  if (cursor.empty()) return;
  if (head != kept_ || cursor != kept_cursor_) {
    if (!kept_file_->Write(EncodeBookmark({head, cursor}))) return;
    kept_ = head;
    kept_cursor_ = cursor;
  }
  moved_on_ = false;
}

bool SubtreeWatcher::IsAt(const std::string& path, const FileId& id) const {
  UniqueFd fd;
  Attr attr;
  return tree_.jail().Open(path, &fd) == 0 &&
         tree_.attrs().Read(fd.get(), &attr) == 0 && attr.id == id;
}

void SubtreeWatcher::Revoke(const std::vector<FileId>& dirs) {
  if (dirs.empty()) return;
  std::vector<Journal::Item> items;
  for (const FileId& dir : dirs) items.push_back({RevokedEvent(dir), 0});
  journal_.Append(&items);
}

// Others may have leased it meanwhile.
void SubtreeWatcher::Drop(const FileId& dir) {
  if (dirs_.Drop(dir)) Revoke({dir});
}

bool SubtreeWatcher::Lease(const Node& dir, const std::string& path) {
  if (events_.ended()) return false;
  if (dirs_.Has(dir.attr.id)) return true;
  std::vector<FileId> evicted;
  const bool added = dirs_.Add(dir.attr.id, path, &evicted);
  Revoke(evicted);
  if (!added) return false;
  if (IsAt(path, dir.attr.id)) return true;
  Drop(dir.attr.id);
  dirs_.CountRefused();
  return false;
}

Covered SubtreeWatcher::Cover(int dir_fd, const Place& place, Attr* attr) {
  for (int i = 0; i < kCoverAttempts; ++i) {
    if (attr->IsRegular() && attr->nlink > 1) {
      dirs_.CountRefused();
      return Covered::kRefused;
    }
    const FileId id = attr->id;
    if (!attr->IsDirectory() || dirs_.Has(id)) return Covered::kYes;
    std::vector<FileId> evicted;
    const bool added = dirs_.AddChild(place.first, place.second, id, &evicted);
    Revoke(evicted);
    if (!added) return Covered::kRefused;
    dirs_.SetTold(id, attr->ctime);
    const int look = tree_.attrs().ReadEntry(dir_fd, place.second, attr);
    if (look == 0 && attr->id == id) return Covered::kYes;
    Drop(id);
    if (look == kENOENT) return Covered::kGone;
    if (look != 0) return Covered::kRefused;
  }
  return Covered::kRefused;
}

NextReply SubtreeWatcher::Next(uint64_t client, const NextRequest& request) {
  NextReply reply = journal_.Next(client, request);
  reply.watches = dirs_.size();
  reply.refused = dirs_.refused();
  reply.overflows = events_.overflows();
  return reply;
}

int SubtreeWatcher::FencePosition(uint64_t* position) {
  if (events_.ended()) return kENODEV;
  const int error = markers_.Place(Markers::For::kFence, position);
  Wake();  // to see that one is to come
  return error;
}

void SubtreeWatcher::Sweep(absl::Time now) {
  DrainedWatcher::Sweep(now);
  if (claims_.size() > 0) Wake();  // those of work that nothing was told of
}

void SubtreeWatcher::WaitForEvents() {
  const absl::Time until =
      std::min({events_.next_closed(), marker_due_, keep_due_});
  source_->Wait(std::max(until - absl::Now(), absl::ZeroDuration()));
}

bool SubtreeWatcher::Round() {
  std::vector<Change> batch;
  source_->Take(&batch);
  if (MayBeHalfAMove(batch)) {
    source_->Wait(kOtherHalf);
    source_->Take(&batch);
  }
  const bool any = !batch.empty();
  // Keeping a bookmark must not be a reason to keep another.
  moved_on_ = moved_on_ || std::ranges::any_of(batch, TellsOfClientsFiles);
  const uint64_t overflows = events_.overflows();
  const bool own = any && events_.Process(std::move(batch));
  events_.TellClosed(absl::Now());
  KeepIfDue(absl::Now());
  if (events_.ended()) {
    Processed(UINT64_MAX);  // nobody waits for what will not come
    marker_due_ = absl::InfiniteFuture();
    return false;
  }
  Processed(markers_.come());
  PlaceMarkerIfDue(events_.overflows() != overflows);
  return own;
}

void SubtreeWatcher::PlaceMarkerIfDue(bool lost) {
  const bool outstanding = markers_.placed() != markers_.come();
  const bool late = outstanding && (lost || absl::Now() >= marker_due_);
  uint64_t number = 0;
  if (late || (!outstanding && claims_.size() > 0)) {
    if (markers_.Place(Markers::For::kClaims, &number) != 0)
      claims_.Forget(number);
  }
  const bool waits = markers_.placed() != markers_.come();
  if (!waits) {
    marker_due_ = absl::InfiniteFuture();
  } else if (late || marker_due_ == absl::InfiniteFuture()) {
    marker_due_ = absl::Now() + kMarkerWait;
  }
}

absl::StatusOr<std::unique_ptr<Watcher>> GoOnWatching(
    const Tree& tree, WatcherOptions options,
    std::unique_ptr<BookmarkFile> kept, SourceOpener open) {
  const auto bookmark = DecodeBookmark(kept ? kept->Read() : "");
  auto source = open(bookmark ? bookmark->cursor : "");
  if (!source.ok()) return source.status();
  if (bookmark) options.earlier = bookmark->pos;
  return std::make_unique<SubtreeWatcher>(tree, *std::move(source), options,
                                          std::move(kept));
}

}  // namespace warmfs::hostd
