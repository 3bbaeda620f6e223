#include "fuse/block_writer.h"

#include <string_view>
#include <utility>

#include "fuse/prefetch.h"

namespace warmfs::fuse {
namespace {

bool IsWindow(const Attr& attr) { return attr.size > Prefetch::kWholeBytes; }

}  // namespace

BlockWriter::BlockWriter(cache::Cache& cache)
    : cache_(cache), thread_([this] { Loop(); }) {}

BlockWriter::~BlockWriter() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  thread_.join();
}

void BlockWriter::Add(const Attr& attr, uint64_t first,
                      std::vector<BlockBytes> blocks) {
  auto job = std::make_shared<Job>(Job{attr, first, std::move(blocks)});
  for (const BlockBytes& block : job->blocks) {
    recent_.Put(first++, {attr.version(), attr.racy, block});
    job->bytes += block->size();
  }
  absl::MutexLock lock(&mu_);
  if (bytes_ + job->bytes > kMostBytes) return;
  bytes_ += job->bytes;
  windows_ += IsWindow(attr) ? 1 : 0;
  ++added_;
  queue_.push_back(job);
  pending_[attr.id].push_back(std::move(job));
}

std::optional<RecentBlocks::Block> BlockWriter::Find(const FileId& file,
                                                     uint64_t index) const {
  if (auto found = recent_.Get(file, index)) return found;
  absl::MutexLock lock(&mu_);
  const auto it = pending_.find(file);
  if (it == pending_.end()) return std::nullopt;
  for (auto job = it->second.rbegin(); job != it->second.rend(); ++job) {
    const uint64_t at = index - (*job)->first;
    if (index < (*job)->first || at >= (*job)->blocks.size()) continue;
    const Attr& attr = (*job)->attr;
    return RecentBlocks::Block{attr.version(), attr.racy, (*job)->blocks[at]};
  }
  return std::nullopt;
}

void BlockWriter::Drop(const FileId& file) {
  recent_.Drop(file);
  absl::MutexLock lock(&mu_);
  const auto it = pending_.find(file);
  if (it == pending_.end()) return;
  for (const std::shared_ptr<Job>& job : it->second) {
    job->dropped = true;
    if (job->writing) dropping_.insert(file);
  }
  pending_.erase(it);
}

bool BlockWriter::IsDropping(const FileId& file) const {
  absl::MutexLock lock(&mu_);
  return dropping_.contains(file);
}

void BlockWriter::AwaitRoom() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &BlockWriter::HasRoom));
}

void BlockWriter::Flush() {
  absl::MutexLock lock(&mu_);
  const uint64_t until = added_;
  const auto written = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return done_ >= until;
  };
  ++flushing_;
  mu_.Await(absl::Condition(&written));
  --flushing_;
}

void BlockWriter::Loop() {
  absl::MutexLock lock(&mu_);
  while (true) {
    mu_.Await(absl::Condition(this, &BlockWriter::HasWork));
    if (queue_.empty()) return;
    mu_.AwaitWithDeadline(absl::Condition(this, &BlockWriter::MustWrite),
                          queue_.front()->added + kDelay);
    // All that is there by now.
    for (uint64_t until = added_; done_ < until;) {
      const Jobs batch = TakeBatch();
      mu_.Unlock();
      Write(batch);
      mu_.Lock();
      Done(batch);
    }
  }
}

BlockWriter::Jobs BlockWriter::TakeBatch() {
  constexpr size_t kBatchBytes = Prefetch::kWholeBytes;
  Jobs batch;
  // What is put of a file in one call is of one version.
  absl::flat_hash_set<FileId> files;
  for (size_t bytes = 0; !queue_.empty() && bytes < kBatchBytes;) {
    if (!files.insert(queue_.front()->attr.id).second) break;
    std::shared_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    job->writing = !job->dropped;
    windows_ -= IsWindow(job->attr) ? 1 : 0;
    bytes += job->bytes;
    batch.push_back(std::move(job));
  }
  return batch;
}

void BlockWriter::Write(const Jobs& batch) {
  std::vector<cache::FileBlocks> files;
  for (const std::shared_ptr<Job>& job : batch) {
    if (!job->writing) continue;
    auto& file =
        files.emplace_back(cache::FileBlocks{job->attr, job->first, {}});
    for (const BlockBytes& block : job->blocks) file.blocks.push_back(*block);
  }
  cache_.AwaitRoom();
  cache_.PutBlocks(files);
}

void BlockWriter::Done(const Jobs& batch) {
  for (const std::shared_ptr<Job>& job : batch) {
    bytes_ -= job->bytes;
    const FileId& file = job->attr.id;
    if (const auto it = pending_.find(file); it != pending_.end()) {
      std::erase(it->second, job);
      if (it->second.empty()) pending_.erase(it);
    }
    // With the lock: nobody may find it in the cache after IsDropping said no.
    if (job->writing && job->dropped) cache_.EvictFile(file);
  }
  dropping_.clear();
  done_ += batch.size();
}

}  // namespace warmfs::fuse
