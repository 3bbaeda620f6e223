#include "fuse/ahead_fetcher.h"

#include <algorithm>
#include <utility>

namespace warmfs::fuse {

AheadFetcher::AheadFetcher(FileSystem& fs, rpc::Remote& remote)
    : fs_(fs), channels_(remote) {
  for (int i = 0; i < kThreads; ++i) {
    threads_.emplace_back([this] { Loop(); });
  }
}

AheadFetcher::~AheadFetcher() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  channels_.Interrupt();
  for (std::thread& thread : threads_) thread.join();
}

void AheadFetcher::Add(const Ahead& reader) {
  absl::MutexLock lock(&mu_);
  reader_ = reader;
}

void AheadFetcher::ListAhead() {
  absl::MutexLock lock(&mu_);
  to_list_ = true;
}

void AheadFetcher::Loop() {
  rpc::ChannelGroup::Member host(channels_);
  absl::MutexLock lock(&mu_);
  while (true) {
    mu_.Await(absl::Condition(this, &AheadFetcher::HasWork));
    if (stop_) break;
    if (MustList()) {
      to_list_ = false;
      listing_ = true;
      mu_.Unlock();
      while (fs_.ListAhead(host.get())) {
      }
      mu_.Lock();
      listing_ = false;
      continue;
    }
    if (HasReader()) {
      Plan(*std::exchange(reader_, std::nullopt));
      continue;
    }
    const std::vector<Upcoming> files = std::move(questions_.front());
    questions_.pop_front();
    mu_.Unlock();
    Fetch(host.get(), files);
    mu_.Lock();
  }
}

bool AheadFetcher::IsWellAhead(const FileId& file) const {
  const auto it = looked_at_.find(file);
  return it != looked_at_.end() && it->second < looked_at_.size() / 2;
}

void AheadFetcher::Plan(const Ahead& reader) {
  const auto file = fs_.tree().Look(reader.file);
  if (!file || IsWellAhead(file->attr.id)) return;
  planning_ = true;
  mu_.Unlock();
  const auto unread = [this](const FileId& id) {
    const auto known = fs_.tree().GlanceAt(id);
    return !known || !known->kernel_has_content;
  };
  const std::vector<Upcoming> next =
      fs_.Following(*file, 2 * reader.files, unread);
  mu_.Lock();
  planning_ = false;
  looked_at_.clear();
  for (size_t i = 0; i < next.size(); ++i) looked_at_[next[i].attr.id] = i;
  // The nearer ones are needed first, and so are asked for in smaller parts.
  // What was to be asked for and is not among them, he has left behind.
  questions_.clear();
  for (size_t from = 0, most = kFirst; from < next.size(); most *= 2) {
    const size_t until = std::min(next.size(), from + most);
    questions_.push_back({next.begin() + from, next.begin() + until});
    from = until;
  }
}

void AheadFetcher::Fetch(rpc::Channel& host,
                         const std::vector<Upcoming>& files) {
  SingleFlight::Several ours(fs_.fetches_);
  std::vector<Wanted> wanted;
  fs_.WantAhead(files, ours, wanted);
  if (wanted.empty()) return;
  Blocks unused;
  fs_.FetchWanted(host, wanted, ours, unused).IgnoreError();
}

}  // namespace warmfs::fuse
