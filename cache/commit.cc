// Edits of metadata.

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "cache/codec.h"
#include "cache/impl.h"

namespace warmfs::cache {
namespace {

using Kind = EditOp::Kind;
using Ids = absl::flat_hash_set<FileId>;

bool ChangesEntries(const EditOp& op) {
  return op.kind == Kind::kPutEntry || op.kind == Kind::kRemoveEntry;
}

bool ChangesListing(const EditOp& op) {
  return ChangesEntries(op) || op.kind == Kind::kMarkIncomplete ||
         op.kind == Kind::kForget;
}

// Builds the batch for one edit. The caller holds the directories' locks.
class BatchBuilder {
 public:
  explicit BatchBuilder(Database& db) : db_(db) {}

  rocksdb::WriteBatch& Build(const std::vector<EditOp>& ops) {
    for (const EditOp& op : ops) {
      if (ChangesEntries(op) && changed_.insert(op.id).second) {
        ForgetDigest(op.id);
      }
    }
    for (const EditOp& op : ops) Add(op);
    return batch_;
  }

 private:
  // Each digest first, since later operations may remove the listing.
  //
  // The host's digest does not tell of entries that were edited here: it could
  // come to be right for the host again while an edit in between was missed.
  void ForgetDigest(const FileId& dir) {
    ChangeListing(dir, [](ListingRecord& l) { l.digest = Digest(); });
  }

  // A record may be changed twice in one batch, of which the database knows
  // nothing yet.
  template <typename Change>
  void ChangeListing(const FileId& dir, Change change) {
    auto it = listings_.find(dir);
    if (it == listings_.end()) {
      rocksdb::PinnableSlice value;
      if (!db_.Get(KeySpace::kListing, NodeKey(dir), &value).ok()) return;
      auto listing = DecodeListing(value.ToStringView());
      if (!listing.has_value()) return;
      it = listings_.emplace(dir, *listing).first;
    }
    change(it->second);
    Put(KeySpace::kListing, NodeKey(dir), EncodeListing(it->second));
  }

  void Add(const EditOp& op) {
    switch (op.kind) {
      case Kind::kPutAttr:
        return Put(KeySpace::kAttr, NodeKey(op.id), EncodeAttr(op.attr));
      case Kind::kPutEntry:
        return Put(KeySpace::kDirent, EntryKeyOf(op), EncodeFileId(op.target));
      case Kind::kRemoveEntry:
        return Delete(KeySpace::kDirent, EntryKeyOf(op));
      case Kind::kMarkIncomplete:
        return Delete(KeySpace::kListing, NodeKey(op.id));
      case Kind::kForget:
        Delete(KeySpace::kAttr, NodeKey(op.id));
        Delete(KeySpace::kListing, NodeKey(op.id));
        return DeleteEntries(op.id);
      case Kind::kSetLease:
        return ChangeListing(op.id,
                             [&](ListingRecord& l) { l.lease = op.number; });
      case Kind::kSetCursor:
        return Put(KeySpace::kMeta, kMetaCursor, EncodeFileId(op.target));
      case Kind::kPutTarget:
        return;  // content, which is written on its own
    }
  }

  // Mostly there are none: a directory is empty when it is removed. A range
  // tombstone costs later readers, so there is one only where it is needed.
  void DeleteEntries(const FileId& dir) {
    const std::string begin = NodeKey(dir);
    const std::string end = KeyAfter(dir);
    if (!changed_.contains(dir) &&
        !db_.NewScan(KeySpace::kDirent, begin, end).Valid()) {
      return;
    }
    batch_.DeleteRange(db_[KeySpace::kDirent], begin, end)
        .PermitUncheckedError();
  }

  static std::string EntryKeyOf(const EditOp& op) {
    return EntryKey(op.id, NameCookie(op.text), op.text);
  }
  void Put(KeySpace space, const std::string& key, const std::string& value) {
    batch_.Put(db_[space], key, value).PermitUncheckedError();
  }
  void Delete(KeySpace space, const std::string& key) {
    batch_.Delete(db_[space], key).PermitUncheckedError();
  }

  Database& db_;
  rocksdb::WriteBatch batch_;
  absl::flat_hash_map<FileId, ListingRecord> listings_;  // that were changed
  Ids changed_;  // directories of which entries are put or removed
};

// The ids of operations for which `wanted` is true, each once.
template <typename Predicate>
std::vector<FileId> IdsOf(const std::vector<EditOp>& ops, Predicate wanted) {
  Ids ids;
  for (const EditOp& op : ops) {
    if (wanted(op)) ids.insert(op.id);
  }
  return {ids.begin(), ids.end()};
}

// What these operations write anew is known again. Not a directory: its entries
// may be what is distrusted.
bool RestoresTrust(const EditOp& op) {
  return op.kind == Kind::kForget ||
         (op.kind == Kind::kPutAttr && !op.attr.IsDirectory());
}

}  // namespace

void Cache::Impl::Commit(const std::vector<EditOp>& ops) {
  const auto gen = storage_->Current();
  const auto edited = IdsOf(ops, [](const EditOp& op) {
    return op.kind != Kind::kPutTarget && op.kind != Kind::kSetCursor;
  });
  {
    StripedLocks::Guard guard(dirs_, StripedLocks::StripesOf(edited));
    BatchBuilder builder(*gen->db);
    if (Write(*gen, builder.Build(ops), WriteLog::kYes)) {
      if (!gen->distrust.empty()) {
        gen->distrust.Remove(IdsOf(ops, RestoresTrust));
      }
    } else {
      DistrustAll(*gen, edited);
    }
    for (const EditOp& op : ops) {
      if (ChangesListing(op)) gen->directories.Changed(op.id);
    }
  }
  for (const EditOp& op : ops) {
    if (op.kind == Kind::kForget) RemoveContent(*gen, op.id);
    if (op.kind != Kind::kPutTarget) continue;
    const FileBlocks file{op.attr, 0, {op.text}};
    PutBlocks({&file, 1});
  }
}

void Cache::Impl::EndLeases() {
  constexpr size_t kAtOnce = 256;
  const auto gen = storage_->Current();
  std::vector<EditOp> ops;
  Scan scan = gen->db->NewScan(KeySpace::kListing, "", "");
  for (; scan.Valid(); scan.Next()) {
    const auto id = DecodeNodeKey(scan.key());
    const auto listing = DecodeListing(scan.value());
    if (!id || !listing || listing->lease == 0) continue;
    ops.push_back({Kind::kSetLease, *id, {}, {}, {}, 0});
    if (ops.size() >= kAtOnce) Commit(std::exchange(ops, {}));
  }
  Commit(ops);
}

}  // namespace warmfs::cache
