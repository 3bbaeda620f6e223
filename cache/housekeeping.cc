// The housekeeper thread: what must not be done on the thread of a caller.

#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cache/codec.h"
#include "cache/impl.h"

namespace warmfs::cache {
namespace {

// How long content, and a use of a file, may be known only in memory.
constexpr absl::Duration kTick = absl::Minutes(1);
// Beyond this a cache in memory, which only its content bounds, starts anew.
constexpr uint64_t kMemoryDatabaseBytes = uint64_t{256} << 20;

}  // namespace

void Cache::Impl::Housekeep() {
  CountContent(*storage_->Current());
  SweepContentFiles(*storage_->Current());
  while (!stopping()) {
    Chores chores;
    {
      absl::MutexLock lock(&house_mu_);
      busy_ = false;
      house_mu_.AwaitWithTimeout(absl::Condition(this, &Impl::HasWork), kTick);
      std::swap(chores, asked_);
      busy_ = true;
    }
    if (stopping()) break;
    chores.any() ? DoChores(chores) : Tick();
  }
  absl::MutexLock lock(&house_mu_);
  busy_ = false;
}

void Cache::Impl::Ask(Chores chores) {
  absl::MutexLock lock(&house_mu_);
  asked_.evict |= chores.evict;
  asked_.repair |= chores.repair;
  asked_.recency |= chores.recency;
}

void Cache::Impl::DoChores(const Chores& chores) {
  const auto gen = storage_->Current();
  if (chores.repair) Repair(*gen);
  if (chores.evict) {
    // Not to the brim, so that the next block does not ask again.
    const uint64_t max_bytes = MaxBytes(*gen);
    if (gen->content_bytes > static_cast<int64_t>(max_bytes)) {
      EvictTo(*gen, max_bytes - max_bytes / 10);
    }
  }
  if (chores.recency) {
    absl::MutexLock lock(&evict_mu_);
    WriteRecency(*gen);
  }
}

void Cache::Impl::Tick() {
  const auto gen = storage_->Current();
  storage_->Reap();
  DoChores({.evict = true, .repair = true, .recency = true});
  // What a kill -9 would lose is at most what this minute brought.
  if (gen->unlogged.exchange(false)) gen->db->Flush().PermitUncheckedError();
  if (gen->db->in_memory()) {
    if (gen->db->DiskBytes() > kMemoryDatabaseBytes) storage_->Replace(gen);
  } else if (HasMuchGarbage(*gen)) {
    Reclaim(*gen);
  }
}

// Sums up the blocks that were there when the database was opened, so that the
// sum is exact again whatever was lost by a crash.
void Cache::Impl::CountContent(Generation& gen) {
  if (gen.counted.HasBeenNotified()) return;
  Held held;
  {
    Scan scan =
        gen.db->NewScan(KeySpace::kBlock, "", "", gen.count_from->snapshot());
    for (; scan.Valid() && !stopping(); scan.Next()) {
      const auto header = DecodeBlockHeader(FileId(), scan.value());
      if (header.has_value()) held.Add(*header);
    }
  }
  gen.count_from.reset();
  gen.Count(held);
  gen.counted.Notify();
  Ask({.evict = true});
}

// Content files whose headers a crash took away, or of which it left only the
// file. The lock keeps off who is just putting the first block there.
void Cache::Impl::SweepContentFiles(Generation& gen) {
  if (gen.files == nullptr) return;
  gen.files->Visit([&](const FileId& id) {
    StripedLocks::Guard guard(files_, id);
    Scan scan = gen.db->NewScan(KeySpace::kBlock, NodeKey(id), KeyAfter(id));
    bool needed = false;
    for (; scan.Valid() && !needed; scan.Next()) {
      const auto header = DecodeBlockHeader(id, scan.value());
      needed = header.has_value() && header->codec == BlockCodec::kFile;
    }
    if (!needed && scan.status().ok()) gen.files->Remove(id);
    return !stopping();
  });
}

// Removes the records that are distrusted, so that they stay so after a
// restart. What could not be removed now is tried again at the next tick.
void Cache::Impl::Repair(Generation& gen) {
  for (const auto& [id, ticket] : gen.distrust.All()) {
    StripedLocks::Guard guard(dirs_, id);
    rocksdb::WriteBatch batch;
    for (KeySpace space : {KeySpace::kAttr, KeySpace::kListing}) {
      batch.Delete((*gen.db)[space], NodeKey(id)).PermitUncheckedError();
    }
    batch.DeleteRange((*gen.db)[KeySpace::kDirent], NodeKey(id), KeyAfter(id))
        .PermitUncheckedError();
    if (!gen.db->Write(batch, WriteLog::kYes).ok()) return;
    gen.directories.Changed(id);
    gen.distrust.RemoveIfUnchanged(id, ticket);
  }
}

}  // namespace warmfs::cache
