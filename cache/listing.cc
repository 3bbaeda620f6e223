// Replacing a whole listing. Only what differs is written. A listing of usual
// size is one batch, so a reader sees the old one or the new one. A large one
// is written in chunks, of which each but the last also says "not complete".

#include <algorithm>
#include <functional>
#include <utility>

#include "cache/codec.h"
#include "cache/impl.h"

namespace warmfs::cache {
namespace {

constexpr size_t kChunkBytes = kMiB;

struct Ordered {
  uint64_t cookie;
  const DirEntry* entry;
};

// In the order of their keys. Of two entries with one name, the last.
std::vector<Ordered> InKeyOrder(absl::Span<const DirEntry> entries) {
  std::vector<Ordered> order;
  order.reserve(entries.size());
  for (const DirEntry& entry : entries) {
    if (IsEntryName(entry.name)) {
      order.push_back({NameCookie(entry.name), &entry});
    }
  }
  auto same = [](const Ordered& a, const Ordered& b) {
    return a.cookie == b.cookie && a.entry->name == b.entry->name;
  };
  std::ranges::stable_sort(order, [](const Ordered& a, const Ordered& b) {
    if (a.cookie != b.cookie) return a.cookie < b.cookie;
    return a.entry->name < b.entry->name;
  });
  for (size_t i = 1; i < order.size(); ++i) {
    if (same(order[i - 1], order[i])) order[i - 1] = order[i];
  }
  order.erase(std::unique(order.begin(), order.end(), same), order.end());
  return order;
}

RecentDirectories::Items ItemsOf(const std::vector<Ordered>& order) {
  RecentDirectories::Items items;
  items.reserve(order.size());
  for (const Ordered& ordered : order) {
    items.push_back(
        {ordered.cookie, ordered.entry->name, ordered.entry->attr.id});
  }
  return items;
}

bool AllNamesFit(absl::Span<const DirEntry> entries) {
  return std::ranges::all_of(
      entries, [](const DirEntry& entry) { return IsEntryName(entry.name); });
}

// Turns what is held of a directory into a listing. The caller holds the
// directory's lock.
class ListingWriter {
 public:
  // Writes a batch and empties it; false if it was dropped.
  using WriteFn = std::function<bool(rocksdb::WriteBatch&)>;

  ListingWriter(Database& db, const FileId& dir, WriteFn write)
      : db_(db),
        dir_(dir),
        write_(std::move(write)),
        held_(db.NewScan(KeySpace::kDirent, NodeKey(dir), KeyAfter(dir))) {}

  // Entries come in the order of their keys; held ones passed over are removed.
  void Replace(const Ordered& ordered) {
    const std::string key = KeyOf(ordered);
    while (held_.Valid() && held_.key() < key) RemoveHeld();
    const std::string value = EncodeFileId(ordered.entry->attr.id);
    const bool held = held_.Valid() && held_.key() == key;
    if (!held || held_.value() != value) Put(KeySpace::kDirent, key, value);
    if (held) held_.Next();
    PutAttr(ordered.entry->attr);
  }
  void Add(const Ordered& ordered) {
    Put(KeySpace::kDirent, KeyOf(ordered),
        EncodeFileId(ordered.entry->attr.id));
    PutAttr(ordered.entry->attr);
  }
  void RemoveRest() {
    while (held_.Valid()) RemoveHeld();
  }

  // The last batch; without a record: the listing is not complete. False if
  // anything was dropped, or what is held could not be read to its end.
  bool Finish(const Attr& dir, const std::optional<ListingRecord>& listing) {
    PutAttr(dir);
    if (listing.has_value()) {
      Put(KeySpace::kListing, NodeKey(dir_), EncodeListing(*listing));
      WriteBatch();
    } else {
      WriteIncomplete();
    }
    return ok_ && held_.status().ok();
  }

 private:
  std::string KeyOf(const Ordered& ordered) const {
    return EntryKey(dir_, ordered.cookie, ordered.entry->name);
  }
  void PutAttr(const Attr& attr) {
    Put(KeySpace::kAttr, NodeKey(attr.id), EncodeAttr(attr));
    if (batch_.GetDataSize() >= kChunkBytes) WriteIncomplete();
  }
  void RemoveHeld() {
    const std::string_view key = held_.key();
    batch_.Delete(db_[KeySpace::kDirent], {key.data(), key.size()})
        .PermitUncheckedError();
    held_.Next();
    if (batch_.GetDataSize() >= kChunkBytes) WriteIncomplete();
  }
  void Put(KeySpace space, const std::string& key, const std::string& value) {
    batch_.Put(db_[space], key, value).PermitUncheckedError();
  }
  void WriteIncomplete() {
    batch_.Delete(db_[KeySpace::kListing], NodeKey(dir_))
        .PermitUncheckedError();
    WriteBatch();
  }
  // After a dropped batch the rest is of no use.
  void WriteBatch() {
    ok_ = ok_ && write_(batch_);
    batch_.Clear();
  }

  Database& db_;
  const FileId dir_;
  const WriteFn write_;
  Scan held_;
  rocksdb::WriteBatch batch_;
  bool ok_ = true;
};

// The files of a listing, and `dir`: what is not known any more if it could not
// be written, and known again if it was (subdirectories have their own
// entries).
std::vector<FileId> IdsOf(absl::Span<const DirEntry> entries, const FileId& dir,
                          bool subdirectories) {
  std::vector<FileId> ids = {dir};
  for (const DirEntry& entry : entries) {
    if (subdirectories || !entry.attr.IsDirectory()) {
      ids.push_back(entry.attr.id);
    }
  }
  return ids;
}

}  // namespace

void Cache::Impl::PutListing(const Attr& dir,
                             absl::Span<const DirEntry> entries,
                             const ListingRecord& listing, bool complete) {
  const auto gen = storage_->Current();
  const std::vector<Ordered> order = InKeyOrder(entries);
  const bool all = complete && AllNamesFit(entries);
  {
    StripedLocks::Guard guard(dirs_, dir.id);
    ListingWriter writer(*gen->db, dir.id, [&](rocksdb::WriteBatch& batch) {
      return Write(*gen, batch, WriteLog::kYes);
    });
    for (const Ordered& ordered : order) {
      complete ? writer.Replace(ordered) : writer.Add(ordered);
    }
    if (complete) writer.RemoveRest();
    const bool written =
        writer.Finish(dir, all ? std::optional(listing) : std::nullopt);
    const uint64_t version = gen->directories.Changed(dir.id);
    if (!written) {
      DistrustAll(*gen, IdsOf(entries, dir.id, true));
    } else if (complete && !gen->distrust.empty()) {
      gen->distrust.Remove(IdsOf(entries, dir.id, false));
    }
    if (written && all && order.size() <= RecentDirectories::kMostOfOne) {
      gen->directories.Remember(dir.id, version, ItemsOf(order));
    }
  }
  PutTargets(entries);
}

void Cache::Impl::BeginListing(const Attr& dir) {
  const auto gen = storage_->Current();
  StripedLocks::Guard guard(dirs_, dir.id);
  ListingWriter writer(*gen->db, dir.id, [&](rocksdb::WriteBatch& batch) {
    return Write(*gen, batch, WriteLog::kYes);
  });
  writer.RemoveRest();
  if (!writer.Finish(dir, std::nullopt)) {
    DistrustAll(*gen, {dir.id});
  } else if (!gen->distrust.empty()) {
    gen->distrust.Remove({dir.id});
  }
  gen->directories.Changed(dir.id);
}

void Cache::Impl::SealListing(const Attr& dir, const ListingRecord& listing) {
  const auto gen = storage_->Current();
  StripedLocks::Guard guard(dirs_, dir.id);
  ListingWriter writer(*gen->db, dir.id, [&](rocksdb::WriteBatch& batch) {
    return Write(*gen, batch, WriteLog::kYes);
  });
  // A page of it was dropped: what is held is not all.
  const bool whole = !gen->distrust.Contains(dir.id);
  if (!writer.Finish(dir, whole ? std::optional(listing) : std::nullopt)) {
    DistrustAll(*gen, {dir.id});
  }
  gen->directories.Changed(dir.id);
}

void Cache::Impl::PutTargets(absl::Span<const DirEntry> entries) {
  for (const DirEntry& entry : entries) {
    if (!entry.attr.IsSymlink() || entry.target.empty()) continue;
    const FileBlocks file{entry.attr, 0, {entry.target}};
    PutBlocks({&file, 1});
  }
}

}  // namespace warmfs::cache
