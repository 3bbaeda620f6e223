#include "hostd/posix/object_watcher.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace warmfs::hostd {
namespace {

constexpr absl::Duration kOtherHalf = absl::Milliseconds(1);
// Beyond this many events that wait in memory, the kernel keeps its own.
constexpr size_t kMostPending = 1 << 20;
// Each watch that ends queues an event.
constexpr size_t kRemovedAtOnce = 1000;

// Where a directory is: in its parent, by the last part of its path.
Place PlaceOf(const AttrReader& attrs, int fd, const std::string& path) {
  Attr parent;
  if (path.empty() || attrs.ReadEntry(fd, "..", &parent) != 0) return {};
  return {parent.id, path.substr(path.rfind('/') + 1)};
}

}  // namespace

ObjectWatcher::ObjectWatcher(const Tree& tree,
                             std::unique_ptr<WatchSource> source,
                             const WatcherOptions& options, FdBudget& budget)
    : DrainedWatcher(options, *source),
      tree_(tree),
      source_(std::move(source)),
      watches_(tree.jail().root(), tree.attrs(), *source_,
               std::min(options.max_watches, budget.capacity() / 2), budget),
      maker_(tree, watches_, claims_, journal_) {
  StartDraining();
}

bool ObjectWatcher::Lease(const Node& dir, const std::string& path) {
  if (watches_.Has(dir.attr.id)) return true;
  UniqueFd fd(fcntl(dir.fd.get(), F_DUPFD_CLOEXEC, 0));
  const auto place = PlaceOf(tree_.attrs(), dir.fd.get(), path);
  return fd && watches_.Add(std::move(fd), dir.attr, place) == 0;
}

NextReply ObjectWatcher::Next(uint64_t client, const NextRequest& request) {
  NextReply reply = journal_.Next(client, request);
  reply.watches = watches_.size();
  reply.refused = watches_.refused();
  reply.overflows = maker_.overflows();
  return reply;
}

void ObjectWatcher::WaitForEvents() {
  if (pending_.empty()) source_->Wait(absl::InfiniteDuration());
}

void ObjectWatcher::TakeMore() {
  if (pending_.size() < kMostPending) source_->Take(&pending_);
}

bool ObjectWatcher::Round() {
  TakeMore();
  if (EndsInHalfAMove(pending_)) {
    source_->Wait(kOtherHalf);
    TakeMore();
  }
  if (pending_.empty()) return false;
  const uint64_t position = pending_.back().end;
  const bool own = maker_.Process(std::exchange(pending_, {}), position,
                                  [this] { TakeMore(); });
  Processed(position);
  return own;
}

void ObjectWatcher::DropAll() {
  const auto all = watches_.Clear();
  journal_.NewEpoch();
  for (size_t i = 0; i < all.size(); ++i) {
    watches_.Remove(*all[i]);
    // Or the end of many watches would overflow the queue.
    if (i % kRemovedAtOnce == 0) TakeMore();
  }
}

WatcherFactory WatchObjects(std::unique_ptr<WatchSource> source,
                            const WatcherOptions& options) {
  if (source == nullptr) return {};
  return [source = std::move(source), options](const Tree& tree) mutable {
    return std::make_unique<ObjectWatcher>(tree, std::move(source), options);
  };
}

}  // namespace warmfs::hostd
