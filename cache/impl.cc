#include "cache/impl.h"

#include <algorithm>
#include <utility>

namespace warmfs::cache {
namespace {

// What a cache in memory may hold of content, however much a disk may.
constexpr uint64_t kMemoryMaxBytes = uint64_t{64} << 20;

}  // namespace

Cache::Impl::Impl(std::unique_ptr<Storage> storage)
    : storage_(std::move(storage)) {
  housekeeper_ = std::thread([this] { Housekeep(); });
}

Cache::Impl::~Impl() {
  {
    absl::MutexLock lock(&house_mu_);
    stop_ = true;
  }
  auto gen = storage_->Current();
  gen->db->StopReclaiming();
  housekeeper_.join();
  {
    absl::MutexLock lock(&evict_mu_);
    WriteRecency(*gen);
  }
  // What is distrusted is known in memory only, and must not be believed again.
  if (!gen->db->Flush().ok()) return;
  Repair(*gen);
}

bool Cache::Impl::Write(Generation& gen, rocksdb::WriteBatch& batch,
                        WriteLog log) {
  if (batch.Count() == 0) return true;
  if (gen.db->Write(batch, log).ok()) return true;
  ++dropped_edits_;
  return false;
}

void Cache::Impl::DistrustAll(Generation& gen, absl::Span<const FileId> ids) {
  gen.distrust.Add(ids);
  if (gen.distrust.full()) {
    gen.db->MarkFailed(rocksdb::Status::Corruption("too many edits dropped"));
  }
  Ask({.repair = true});
}

uint64_t Cache::Impl::MaxBytes(const Generation& gen) const {
  const uint64_t max_bytes = options().max_bytes;
  return gen.db->in_memory() ? std::min(max_bytes, kMemoryMaxBytes) : max_bytes;
}

Usage Cache::Impl::usage() {
  const auto gen = storage_->Current();
  gen->counted.WaitForNotification();
  Usage usage;
  usage.content_bytes = AtLeastZero(gen->content_bytes);
  usage.blocks = AtLeastZero(gen->blocks);
  usage.disk_bytes = gen->db->DiskBytes();
  if (gen->files != nullptr) usage.disk_bytes += gen->files->DiskBytes();
  usage.max_bytes = MaxBytes(*gen);
  usage.nodes = gen->db->EstimateKeys(KeySpace::kAttr);
  usage.entries = gen->db->EstimateKeys(KeySpace::kDirent);
  return usage;
}

Counters Cache::Impl::counters() const {
  Counters counters;
  counters.block_hits = block_hits_;
  counters.block_misses = block_misses_;
  counters.hash_mismatches = hash_mismatches_;
  counters.evicted_files = evicted_files_;
  counters.dropped_edits = dropped_edits_;
  return counters;
}

JournalPos Cache::Impl::cursor() {
  const auto gen = storage_->Current();
  rocksdb::PinnableSlice value;
  if (!gen->db->Get(KeySpace::kMeta, kMetaCursor, &value).ok()) return {};
  const auto cursor = DecodeFileId(value.ToStringView());
  return cursor ? JournalPos{cursor->hi, cursor->lo} : JournalPos();
}

void Cache::Impl::Clear() {
  const auto gen = storage_->Current();
  {
    StripedLocks::Guard guard(dirs_, StripedLocks::Stripes().set());
    rocksdb::WriteBatch batch;
    const std::string end = KeyAfter({UINT64_MAX, UINT64_MAX});
    for (KeySpace space :
         {KeySpace::kAttr, KeySpace::kListing, KeySpace::kDirent}) {
      batch.DeleteRange((*gen->db)[space], "", end).PermitUncheckedError();
    }
    Write(*gen, batch, WriteLog::kYes);
    gen->directories.AllChanged();
  }
  Evict(0);
}

void Cache::Impl::Flush() {
  {
    absl::MutexLock lock(&house_mu_);
    house_mu_.Await(absl::Condition(this, &Impl::IsIdle));
  }
  const auto gen = storage_->Current();
  {
    absl::MutexLock lock(&evict_mu_);
    WriteRecency(*gen);
  }
  Repair(*gen);
  const rocksdb::Status flushed = gen->db->Flush();
  if (!flushed.ok()) gen->db->MarkFailed(flushed);
}

}  // namespace warmfs::cache
