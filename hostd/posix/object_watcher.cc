#include "hostd/posix/object_watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace warmfs::hostd {
namespace {

constexpr absl::Duration kOtherHalf = absl::Milliseconds(1);
constexpr absl::Duration kFenceWait = absl::Seconds(30);
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
    : options_(options),
      tree_(tree),
      source_(std::move(source)),
      journal_(options.journal),
      claims_(*source_),
      watches_(tree.jail().root(), tree.attrs(), *source_,
               std::min(options.max_watches, budget.capacity() / 2), budget),
      maker_(tree, watches_, claims_, journal_),
      drain_([this] { Drain(); }) {}

ObjectWatcher::~ObjectWatcher() {
  Stop();
  source_->Wake();
  drain_.join();
}

void ObjectWatcher::Stop() {
  journal_.Close();
  absl::MutexLock lock(&mu_);
  stopped_ = true;
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

Reply ObjectWatcher::Fence() {
  const uint64_t mark = source_->Mark();
  Reply reply;
  {
    absl::MutexLock lock(&mu_);
    const auto done = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return stopped_ || processed_ >= mark;
    };
    fenced_ = std::max(fenced_, mark);
    if (!mu_.AwaitWithTimeout(absl::Condition(&done), kFenceWait)) {
      reply.error = ETIMEDOUT;
    } else if (processed_ < mark) {
      reply.error = ESHUTDOWN;
    }
  }
  reply.pos = journal_.Fence();
  return reply;
}

void ObjectWatcher::Drain() {
  bool own = false;
  while (true) {
    bool drop_all = false;
    {
      absl::MutexLock lock(&mu_);
      if (stopped_) return;
      drop_all = std::exchange(drop_all_, false);
    }
    if (drop_all) DropAll();
    // Whoever asks for something else wakes us afterwards: it is seen above,
    // also if a shorter wait has taken the wake-up.
    if (own) {
      Pause();
    } else if (pending_.empty()) {
      source_->Wait(absl::InfiniteDuration());
    }
    own = Round();
  }
}

void ObjectWatcher::Pause() {
  absl::MutexLock lock(&mu_);
  const auto hurry = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stopped_ || drop_all_ || fenced_ > processed_;
  };
  mu_.AwaitWithTimeout(absl::Condition(&hurry), options_.own_pause);
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
  absl::MutexLock lock(&mu_);
  processed_ = position;
  return own;
}

void ObjectWatcher::Sweep(absl::Time now) {
  const bool asked = journal_.TakeAsked();
  {
    absl::MutexLock lock(&mu_);
    if (asked || idle()) in_use_ = now;
    if (now - in_use_ < options_.lease_grace) return;
    in_use_ = now;
    drop_all_ = true;
  }
  source_->Wake();
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
