#include "fuse/block_writer.h"

#include <string_view>
#include <utility>

namespace warmfs::fuse {

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
  size_t bytes = 0;
  for (const BlockBytes& block : blocks) bytes += block->size();
  absl::MutexLock lock(&mu_);
  if (bytes_ + bytes > kMostBytes) return;
  bytes_ += bytes;
  queue_.push_back({attr, first, std::move(blocks), bytes});
}

void BlockWriter::Drop(const FileId& file) {
  absl::MutexLock lock(&mu_);
  std::erase_if(queue_, [&](const Job& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const bool drop = job.attr.id == file;
    if (drop) bytes_ -= job.bytes;
    return drop;
  });
  drop_it_ = drop_it_ || writing_ == file;
}

bool BlockWriter::IsDropping(const FileId& file) const {
  absl::MutexLock lock(&mu_);
  return drop_it_ && writing_ == file;
}

void BlockWriter::AwaitRoom() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &BlockWriter::HasRoom));
}

void BlockWriter::Loop() {
  while (true) {
    Job job;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &BlockWriter::HasWork));
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      writing_ = job.attr.id;
    }
    Write(job);
    absl::MutexLock lock(&mu_);
    bytes_ -= job.bytes;
    // With the lock: nobody may find it in the cache after IsDropping said no.
    if (std::exchange(drop_it_, false)) cache_.EvictFile(job.attr.id);
    writing_ = FileId();
  }
}

void BlockWriter::Write(const Job& job) {
  std::vector<std::string_view> views;
  for (const BlockBytes& block : job.blocks) views.push_back(*block);
  cache_.AwaitRoom();
  cache_.PutBlocks(job.attr, job.first, views);
}

}  // namespace warmfs::fuse
