#include "cache/database.h"

#include <atomic>
#include <set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cache/content_files.h"
#include "cache/tuning.h"
#include "rocksdb/env.h"
#include "rocksdb/listener.h"
#include "spdlog/spdlog.h"

namespace warmfs::cache {

using rocksdb::Status;

// Remembers the first error that makes the database unusable. RocksDB calls it
// from its background threads.
class Database::Failure : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason,
                         Status* error) override {
    Set(*error);
  }

  void Set(const Status& why) {
    absl::MutexLock lock(&mu_);
    if (failed_) return;
    why_ = why;
    failed_ = true;
  }
  bool failed() const { return failed_; }
  Status why() const {
    absl::MutexLock lock(&mu_);
    return why_;
  }

 private:
  std::atomic<bool> failed_ = false;
  mutable absl::Mutex mu_;
  Status why_ ABSL_GUARDED_BY(mu_);
};

// Which column families take no writes just now. RocksDB tells it before the
// write that brought it about has returned, and from its background threads.
class Database::Stalls : public rocksdb::EventListener {
 public:
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    absl::MutexLock lock(&mu_);
    if (info.condition.cur == rocksdb::WriteStallCondition::kNormal) {
      stalled_.erase(info.cf_name);
    } else {
      stalled_.insert(info.cf_name);
    }
  }

  void AwaitNone(absl::Duration most) {
    const auto none = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return stalled_.empty();
    };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&none), most);
  }

 private:
  absl::Mutex mu_;
  std::set<std::string> stalled_ ABSL_GUARDED_BY(mu_);
};

Scan::Scan(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
           std::string_view lower, std::string upper,
           const rocksdb::Snapshot* snapshot)
    : upper_(std::move(upper)), upper_slice_(upper_) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  if (!upper_.empty()) options.iterate_upper_bound = &upper_slice_;
  // Lets the prefix filters skip files, where both bounds are of one prefix.
  options.auto_prefix_mode = true;
  it_.reset(db.NewIterator(options, family));
  it_->Seek({lower.data(), lower.size()});
}

Status Database::Open(const Place& place, std::unique_ptr<Database>* database) {
  std::unique_ptr<Database> made(new Database);
  made->place_ = place;
  made->failure_ = std::make_shared<Failure>();
  made->stalls_ = std::make_shared<Stalls>();
  if (place.in_memory) {
    made->memory_env_.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
  }
  Tuning tuning = MakeTuning(place.create, made->memory_env_.get());
  tuning.db.listeners = {made->failure_, made->stalls_};
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::DB* db = nullptr;
  const Status opened = rocksdb::DB::Open(tuning.db, place.directory,
                                          tuning.families, &families, &db);
  if (!opened.ok()) return opened;
  made->db_.reset(db);
  std::copy(families.begin(), families.end(), made->families_.begin());
  *database = std::move(made);
  return Status::OK();
}

Status Database::Destroy(const std::string& directory) {
  const Tuning tuning = MakeTuning(false, nullptr);
  Status destroyed = rocksdb::DestroyDB(
      directory, rocksdb::Options(tuning.db, rocksdb::ColumnFamilyOptions()),
      tuning.families);
  // Not while another process has the database.
  if (destroyed.ok()) ContentFiles::RemoveAll(directory);
  return destroyed;
}

Database::~Database() {
  if (db_ == nullptr) return;
  if (!failed()) Flush().PermitUncheckedError();
  for (auto* family : families_) {
    db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
  db_->Close().PermitUncheckedError();
  db_.reset();
  if (place_.in_memory || !failure_->why().IsCorruption()) return;
  spdlog::warn("removing the damaged cache in {}: {}", place_.directory,
               failure());
  Destroy(place_.directory).PermitUncheckedError();
}

Status Database::Get(KeySpace space, std::string_view key,
                     rocksdb::PinnableSlice* value,
                     const rocksdb::Snapshot* snapshot) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  // Content carries a hash of its own, checked at each read.
  options.verify_checksums = space != KeySpace::kContent;
  return db_->Get(options, (*this)[space], {key.data(), key.size()}, value);
}

Scan Database::NewScan(KeySpace space, std::string_view lower,
                       std::string upper, const rocksdb::Snapshot* snapshot) {
  return Scan(*db_, (*this)[space], lower, std::move(upper), snapshot);
}

rocksdb::ManagedSnapshot Database::TakeSnapshot() {
  return rocksdb::ManagedSnapshot(db_.get());
}

Status Database::Write(rocksdb::WriteBatch& batch, WriteLog log) {
  rocksdb::WriteOptions options;
  options.no_slowdown = true;
  // A log in memory would only hold everything twice.
  options.disableWAL = log == WriteLog::kNo || place_.in_memory;
  const Status written = db_->Write(options, &batch);
  if (!written.ok() && !written.IsIncomplete()) MarkFailed(written);
  return written;
}

void Database::AwaitWritable(absl::Duration most) { stalls_->AwaitNone(most); }

Status Database::Flush() {
  return db_->Flush(rocksdb::FlushOptions(),
                    {families_.begin(), families_.end()});
}

void Database::ReclaimContent(double oldest_share) {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.blob_garbage_collection_policy =
      rocksdb::BlobGarbageCollectionPolicy::kForce;
  options.blob_garbage_collection_age_cutoff = oldest_share;
  db_->CompactRange(options, (*this)[KeySpace::kContent], nullptr, nullptr)
      .PermitUncheckedError();
}

void Database::StopReclaiming() { db_->DisableManualCompaction(); }

uint64_t Database::DiskBytes() {
  std::vector<rocksdb::Env::FileAttributes> files;
  if (!db_->GetEnv()->GetChildrenFileAttributes(place_.directory, &files).ok())
    return 0;
  uint64_t bytes = 0;
  for (const auto& file : files) bytes += file.size_bytes;
  return bytes;
}

uint64_t Database::EstimateKeys(KeySpace space) {
  uint64_t keys = 0;
  db_->GetIntProperty((*this)[space], rocksdb::DB::Properties::kEstimateNumKeys,
                      &keys);
  return keys;
}

void Database::MarkFailed(const Status& why) { failure_->Set(why); }
bool Database::failed() const { return failure_->failed(); }
std::string Database::failure() const { return failure_->why().ToString(); }

}  // namespace warmfs::cache
