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
    }
    Write(job);
    absl::MutexLock lock(&mu_);
    bytes_ -= job.bytes;
  }
}

void BlockWriter::Write(const Job& job) {
  std::vector<std::string_view> views;
  for (const BlockBytes& block : job.blocks) views.push_back(*block);
  cache_.AwaitRoom();
  cache_.PutBlocks(job.attr, job.first, views);
}

}  // namespace warmfs::fuse
