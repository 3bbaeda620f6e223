#include "fuse/page_drops.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/cleanup/cleanup.h"

namespace warmfs::fuse {
namespace {

constexpr uint64_t kChunkBytes = PageDrops::kChunkPages * PageDrops::kPageBytes;

}  // namespace

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

bool PageDrops::Idle(NodeId node) const {
  absl::MutexLock lock(&mu_);
  return !states_.contains(node);
}

bool PageDrops::Await(absl::FunctionRef<bool()> done,
                      absl::Duration limit) const {
  {
    absl::MutexLock lock(&mu_);
    if (done()) return true;
  }
  held_up_(true);
  const absl::Cleanup goes_on = [this] { held_up_(false); };
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&done), limit);
}

bool PageDrops::AwaitDone(NodeId node, absl::Duration limit) const {
  uint64_t wanted = 0;
  {
    absl::MutexLock lock(&mu_);
    const auto it = states_.find(node);
    if (it == states_.end()) return true;
    wanted = it->second.wanted;
  }
  const auto done = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const auto now = states_.find(node);
    return now == states_.end() || now->second.done >= wanted;
  };
  return Await(done, limit);
}

void PageDrops::MayHave(NodeId node, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return;
  const uint64_t last = (offset + bytes - 1) / kChunkBytes;
  absl::MutexLock lock(&mu_);
  ++last_;
  Chunks& chunks = chunks_[node];
  for (uint64_t i = offset / kChunkBytes; i <= last && !IsAll(chunks); ++i) {
    auto it = absl::c_lower_bound(
        chunks, i,
        [](const Chunk& c, uint64_t index) { return c.index < index; });
    if (it == chunks.end() || it->index != i) it = chunks.insert(it, {i, 0});
    it->number = last_;
    if (chunks.size() > kMostChunks) chunks = {{kAll, 0}};
  }
  if (IsAll(chunks)) chunks.back().number = last_;
}

bool PageDrops::MayHaveEnd(NodeId node, uint64_t bytes) const {
  absl::MutexLock lock(&mu_);
  const auto chunks = chunks_.find(node);
  return bytes > 0 && chunks != chunks_.end() &&
         absl::c_any_of(chunks->second, [&](const Chunk& c) {
           return c.index == (bytes - 1) / kChunkBytes || c.index == kAll;
         });
}

void PageDrops::Forget(NodeId node) {
  absl::MutexLock lock(&mu_);
  chunks_.erase(node);
}

void PageDrops::Begin(NodeId node, Run& run) {
  absl::MutexLock lock(&mu_);
  const auto answered = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const auto it = states_.find(node);
    return it == states_.end() || it->second.answers == 0;
  };
  mu_.Await(absl::Condition(&answered));
  run.wanted = last_;
  run.page = UINT64_MAX;
  if (const auto it = chunks_.find(node); it != chunks_.end()) {
    run.chunks = it->second;
  }
  states_[node].runs.push_back(&run);
}

void PageDrops::BeginAnswer(NodeId node) {
  absl::MutexLock lock(&mu_);
  ++states_[node].answers;
}

bool PageDrops::BeginBelieved(NodeId node) {
  absl::MutexLock lock(&mu_);
  State& state = states_[node];
  if (state.IsPending() || !state.runs.empty()) return false;
  ++state.answers;
  return true;
}

void PageDrops::AwaitAnswers(NodeId node) const {
  absl::MutexLock lock(&mu_);
  const auto taken_in = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const auto it = states_.find(node);
    return it == states_.end() ||
           (it->second.answers == 0 && it->second.calls == 0);
  };
  mu_.Await(absl::Condition(&taken_in));
}

void PageDrops::BeginCall(NodeId node) {
  absl::MutexLock lock(&mu_);
  ++states_[node].calls;
}

void PageDrops::EndCall(NodeId node) {
  absl::MutexLock lock(&mu_);
  const auto it = states_.find(node);
  --it->second.calls;
  if (it->second.IsOver()) states_.erase(it);
}

void PageDrops::EndAnswer(NodeId node) {
  absl::MutexLock lock(&mu_);
  const auto it = states_.find(node);
  --it->second.answers;
  if (it->second.IsOver()) states_.erase(it);
}

void PageDrops::Reach(Run& run, uint64_t page) {
  absl::MutexLock lock(&mu_);
  run.page = page;
}

void PageDrops::Finish(NodeId node, const Run& run) {
  absl::MutexLock lock(&mu_);
  if (const auto it = chunks_.find(node); it != chunks_.end()) {
    const auto dropped = [&](const Chunk& c) { return c.number <= run.wanted; };
    Chunks& left = it->second;
    left.erase(std::remove_if(left.begin(), left.end(), dropped), left.end());
    if (left.empty()) chunks_.erase(it);
  }
  const auto it = states_.find(node);
  State& state = it->second;
  state.done = std::max(state.done, run.wanted);
  std::erase(state.runs, &run);
  std::erase_if(state.partial,
                [&](const Run& p) { return p.wanted <= state.done; });
  if (state.IsOver()) states_.erase(it);
}

void PageDrops::FinishFrom(NodeId node, const Run& run) {
  absl::MutexLock lock(&mu_);
  const auto it = states_.find(node);
  State& state = it->second;
  std::erase(state.runs, &run);
  if (run.wanted > state.done) state.partial.push_back(run);
  if (state.IsOver()) states_.erase(it);
}

void PageDrops::Carry(NodeId node, uint64_t bytes, Drop drop, Then then) {
  Run run;
  Begin(node, run);
  DropInOrder(run, bytes, drop);
  then();
  Finish(node, run);
}

void PageDrops::CarryFrom(NodeId node, uint64_t page, Drop drop) {
  Run run;
  Begin(node, run);
  drop(page * kPageBytes, 0);
  run.page = page - 1;
  FinishFrom(node, run);
}

void PageDrops::DropInOrder(Run& run, uint64_t bytes, Drop drop) {
  if (IsAll(run.chunks)) return drop(0, 0);
  const uint64_t end = (bytes + kPageBytes - 1) / kPageBytes;
  uint64_t page = 0;  // what lies beyond is dropped
  if (!run.chunks.empty()) {
    page = std::min(end, (run.chunks.back().index + 1) * kChunkPages);
  }
  Reach(run, page);
  drop(page * kPageBytes, 0);
  const auto drop_from = [&](uint64_t from) {
    if (from >= page) return;
    Reach(run, from);
    drop(from * kPageBytes, (page - from) * kPageBytes);
    page = from;
  };
  for (auto chunk = run.chunks.rbegin(); page > 0 && chunk != run.chunks.rend();
       ++chunk) {
    drop_from((chunk->index + 1) * kChunkPages);
    while (page > chunk->index * kChunkPages) drop_from(page - 1);
  }
  drop_from(0);
}

bool PageDrops::AwaitAbove(NodeId node, uint64_t page,
                           absl::Duration limit) const {
  uint64_t wanted = 0;
  bool in_the_way = false, at_once = false;
  {
    absl::MutexLock lock(&mu_);
    const auto it = states_.find(node);
    if (it == states_.end() || !it->second.IsPending()) return true;
    wanted = it->second.wanted;
    const auto does = [&](const Run* run) { return run->wanted >= wanted; };
    in_the_way =
        !it->second.runs.empty() && absl::c_none_of(it->second.runs, does);
    const auto chunks = chunks_.find(node);
    at_once = chunks != chunks_.end() && IsAll(chunks->second);
  }
  if (at_once) {
    overtake_(node, page + 1);
  } else if (in_the_way) {
    overtake_(node, 0);
  }
  const auto dropped = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const auto it = states_.find(node);
    if (it == states_.end() || it->second.done >= wanted) return true;
    const auto does = [&](const Run& run) {
      return run.wanted >= wanted && run.page <= page;
    };
    return absl::c_any_of(it->second.partial, does) ||
           absl::c_any_of(it->second.runs,
                          [&](const Run* run) { return does(*run); });
  };
  return Await(dropped, limit);
}

}  // namespace warmfs::fuse
