#include "fuse/page_drops.h"

#include <algorithm>

#include "absl/algorithm/container.h"

namespace warmfs::fuse {

void PageDrops::Want(NodeId node) {
  if (node == 0) return;
  absl::MutexLock lock(&mu_);
  states_[node].wanted = ++last_;
}

bool PageDrops::Pending(NodeId node) const {
  absl::MutexLock lock(&mu_);
  const auto it = states_.find(node);
  return it != states_.end() && it->second.IsPending();
}

void PageDrops::MayHave(NodeId node, uint64_t offset, uint64_t bytes) {
  constexpr uint64_t kChunkBytes = kChunkPages * kPageBytes;
  if (bytes == 0 || offset + bytes <= kChunkBytes) return;
  const uint64_t last = (offset + bytes - 1) / kChunkBytes;
  absl::MutexLock lock(&mu_);
  Chunks& chunks = chunks_[node];
  ++last_;
  for (uint64_t chunk = std::max<uint64_t>(1, offset / kChunkBytes);
       chunk <= last && !chunks.contains(kAll); ++chunk) {
    if (chunks.size() == kMostChunks) chunks = {{kAll, 0}};
    chunks[chunk] = last_;
  }
  if (chunks.contains(kAll)) chunks = {{kAll, last_}};
}

void PageDrops::Forget(NodeId node) {
  absl::MutexLock lock(&mu_);
  chunks_.erase(node);
}

void PageDrops::Begin(NodeId node, Run& run) {
  absl::MutexLock lock(&mu_);
  run.wanted = last_;
  run.page = UINT64_MAX;
  if (const auto it = chunks_.find(node); it != chunks_.end()) {
    run.chunks = it->second;
  }
  if (const auto it = states_.find(node); it != states_.end()) {
    it->second.runs.push_back(&run);
  }
}

void PageDrops::Reach(Run& run, uint64_t page) {
  absl::MutexLock lock(&mu_);
  run.page = page;
}

void PageDrops::Finish(NodeId node, const Run& run) {
  absl::MutexLock lock(&mu_);
  if (const auto it = chunks_.find(node); it != chunks_.end()) {
    absl::erase_if(it->second,
                   [&](const auto& c) { return c.second <= run.wanted; });
    if (it->second.empty()) chunks_.erase(it);
  }
  const auto it = states_.find(node);
  if (it == states_.end()) return;
  State& state = it->second;
  state.done = std::max(state.done, run.wanted);
  std::erase(state.runs, &run);
  if (!state.IsPending() && state.runs.empty()) states_.erase(it);
}

void PageDrops::Carry(NodeId node, uint64_t bytes, Drop drop) {
  Run run;
  Begin(node, run);
  DropInOrder(run, bytes, drop);
  Finish(node, run);
}

void PageDrops::DropInOrder(Run& run, uint64_t bytes, Drop drop) {
  if (run.chunks.contains(kAll)) {
    Reach(run, 0);
    return drop(0, 0);
  }
  uint64_t first_chunk = kChunkPages;
  uint64_t page = kChunkPages;
  if (run.chunks.empty()) {
    page = first_chunk =
        std::min((bytes + kPageBytes - 1) / kPageBytes, kChunkPages);
  } else {
    page = (run.chunks.begin()->first + 1) * kChunkPages;
  }
  Reach(run, page);
  drop(page * kPageBytes, 0);  // whatever lies beyond, too
  const auto drop_down_to = [&](uint64_t from, uint64_t end) {
    if (end < page) {
      Reach(run, end);
      drop(end * kPageBytes, (page - end) * kPageBytes);
    }
    for (page = end; page > from;) {
      Reach(run, --page);
      drop(page * kPageBytes, kPageBytes);
    }
  };
  for (const auto& [chunk, number] : run.chunks) {
    drop_down_to(chunk * kChunkPages, (chunk + 1) * kChunkPages);
  }
  drop_down_to(0, first_chunk);
}

void PageDrops::CarryAtOnce(NodeId node, Drop drop) {
  Run run;
  Begin(node, run);
  drop(0, 0);
  Finish(node, run);
}

bool PageDrops::AwaitAbove(NodeId node, uint64_t page,
                           absl::Duration limit) const {
  uint64_t wanted = 0;
  bool in_the_way = false;
  {
    absl::MutexLock lock(&mu_);
    const auto it = states_.find(node);
    if (it == states_.end() || !it->second.IsPending()) return true;
    wanted = it->second.wanted;
    const auto does = [&](const Run* run) { return run->wanted >= wanted; };
    in_the_way =
        !it->second.runs.empty() && absl::c_none_of(it->second.runs, does);
  }
  if (in_the_way) overtake_(node);
  absl::MutexLock lock(&mu_);
  const auto dropped = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const auto it = states_.find(node);
    if (it == states_.end() || it->second.done >= wanted) return true;
    return absl::c_any_of(it->second.runs, [&](const Run* run) {
      return run->wanted >= wanted && run->page <= page;
    });
  };
  return mu_.AwaitWithTimeout(absl::Condition(&dropped), limit);
}

}  // namespace warmfs::fuse
