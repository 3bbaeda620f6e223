#include "cache/opening.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/codec.h"
#include "cache/directory.h"
#include "spdlog/spdlog.h"

namespace warmfs::cache {
namespace {

using rocksdb::Status;

// RocksDB tells a lock that is held only by its words; the test of a second
// opener notices if they change.
bool IsLockHeld(const Status& status) {
  const std::string text = status.ToString();
  return status.IsIOError() && (absl::StrContains(text, "While lock file") ||
                                absl::StrContains(text, "lock hold by"));
}

// What is there cannot be read as a database of ours, and never will be: files
// missing, damaged, or families of another format. An I/O error of another
// kind (no space, no right, too many files) says nothing about what is there.
bool IsBeyondRepair(const Status& status) {
  if (status.IsIOError()) return status.IsPathNotFound();
  return !status.IsBusy() && !status.IsTimedOut() && !status.IsTryAgain() &&
         !status.IsMemoryLimit();
}

absl::Status LockedError(const std::string& directory) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the cache in ", directory,
      " is in use by another process: unmount what uses it, or give this "
      "mount a cache directory of its own"));
}

std::string GetMeta(Database& db, const char* field) {
  rocksdb::PinnableSlice value;
  return db.Get(KeySpace::kMeta, field, &value).ok() ? value.ToString() : "";
}

// Why the database cannot serve this export; "" if it can.
std::string Mismatch(Database& db, const CacheOptions& options) {
  const auto format = DecodeU32(GetMeta(db, kMetaFormat));
  if (!format.has_value()) return "it has no format version";
  if (*format != kFormatVersion) {
    return absl::StrCat("it is of format ", *format, ", and this is ",
                        kFormatVersion);
  }
  if (options.identity.empty()) return "";
  const bool same = GetMeta(db, kMetaIdentity) == options.identity &&
                    DecodeFileId(GetMeta(db, kMetaRoot)) == options.root;
  return same ? "" : "it is of another export";
}

Status PutMeta(Database& db, const CacheOptions& options) {
  rocksdb::WriteBatch batch;
  auto put = [&](const char* field, const std::string& value) {
    batch.Put(db[KeySpace::kMeta], field, value).PermitUncheckedError();
  };
  put(kMetaFormat, EncodeU32(kFormatVersion));
  put(kMetaIdentity, options.identity);
  put(kMetaRoot, EncodeFileId(options.root));
  put(kMetaSource, options.source);
  put(kMetaExportName, options.export_name);
  return db.Write(batch, WriteLog::kYes);
}

void ReadMeta(Database& db, CacheOptions& options) {
  options.identity = GetMeta(db, kMetaIdentity);
  options.root = DecodeFileId(GetMeta(db, kMetaRoot)).value_or(FileId());
  options.source = GetMeta(db, kMetaSource);
  options.export_name = GetMeta(db, kMetaExportName);
}

Status Wipe(const std::string& directory, std::string_view why) {
  spdlog::warn("starting the cache in {} anew: {}", directory, why);
  return Database::Destroy(directory);
}

Status OpenOrWipe(const std::string& directory, std::unique_ptr<Database>* db) {
  const Database::Place place{.directory = directory, .create = true};
  if (!HoldsDatabase(directory)) {
    // Left-overs of a database without its head would be taken for its own.
    if (Status wiped = Database::Destroy(directory); !wiped.ok()) return wiped;
    return Database::Open(place, db);
  }
  const Status opened = Database::Open(place, db);
  if (opened.ok() || IsLockHeld(opened) || !IsBeyondRepair(opened)) {
    return opened;
  }
  if (Status wiped = Wipe(directory, opened.ToString()); !wiped.ok()) {
    return wiped;
  }
  return Database::Open(place, db);
}

// A database of this export, its format and identity checked and recorded.
Status OpenForExport(const CacheOptions& options,
                     std::unique_ptr<Database>* db) {
  Status opened = OpenOrWipe(options.directory, db);
  if (!opened.ok()) return opened;
  const bool is_new = GetMeta(**db, kMetaFormat).empty();
  const std::string mismatch = is_new ? "" : Mismatch(**db, options);
  if (!mismatch.empty()) {
    db->reset();
    if (Status s = Wipe(options.directory, mismatch); !s.ok()) return s;
    opened = OpenOrWipe(options.directory, db);
    if (!opened.ok()) return opened;
  }
  return PutMeta(**db, options);
}

absl::StatusOr<OpenedDatabase> InMemory(CacheOptions options, std::string why) {
  auto db = OpenMemoryDatabase();
  if (!db.ok()) return db.status();
  PutMeta(**db, options).PermitUncheckedError();
  return OpenedDatabase{*std::move(db), nullptr, std::move(options),
                        std::move(why)};
}

absl::Status NotFound(const CacheOptions& options, const std::string& why) {
  return absl::NotFoundError(
      absl::StrCat("no readable cache in '", options.directory, "': ", why));
}

// For tools: what is there is looked at, and never made or wiped.
absl::StatusOr<OpenedDatabase> OpenAtRest(CacheOptions options) {
  if (!IsClaimed(options.directory) || !HoldsDatabase(options.directory)) {
    return NotFound(options, "there is none");
  }
  std::unique_ptr<Database> db;
  const Status opened = Database::Open({.directory = options.directory}, &db);
  if (IsLockHeld(opened)) return LockedError(options.directory);
  if (!opened.ok()) return NotFound(options, opened.ToString());
  const std::string mismatch = Mismatch(*db, options);
  if (!mismatch.empty()) return NotFound(options, mismatch);
  auto files = ContentFiles::Open(options.directory);
  if (!files.ok()) return NotFound(options, files.status().ToString());
  ReadMeta(*db, options);
  return OpenedDatabase{std::move(db), *std::move(files), std::move(options),
                        ""};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenMemoryDatabase() {
  std::unique_ptr<Database> db;
  const Status opened = Database::Open(
      {.directory = "/memory", .in_memory = true, .create = true}, &db);
  if (!opened.ok()) return absl::InternalError(opened.ToString());
  return db;
}

absl::StatusOr<OpenedDatabase> OpenDatabase(CacheOptions options) {
  if (options.identity.empty()) return OpenAtRest(std::move(options));
  if (options.directory.empty()) {
    return InMemory(std::move(options), "no cache directory was given");
  }
  const absl::Status claimed = ClaimDirectory(options.directory);
  if (!claimed.ok()) {
    return InMemory(std::move(options), std::string(claimed.message()));
  }
  std::unique_ptr<Database> db;
  const Status opened = OpenForExport(options, &db);
  if (IsLockHeld(opened)) return LockedError(options.directory);
  auto in_memory = [&](const std::string& why) {
    db.reset();
    std::string text =
        absl::StrCat("cannot open the cache in ", options.directory, ": ", why);
    return InMemory(std::move(options), std::move(text));
  };
  if (!opened.ok()) return in_memory(opened.ToString());
  auto files = ContentFiles::Open(options.directory);
  if (!files.ok()) return in_memory(std::string(files.status().message()));
  return OpenedDatabase{std::move(db), *std::move(files), std::move(options),
                        ""};
}

}  // namespace warmfs::cache
