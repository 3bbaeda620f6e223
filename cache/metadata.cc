// Reading attributes and directory entries.

#include <algorithm>
#include <utility>

#include "cache/codec.h"
#include "cache/impl.h"

namespace warmfs::cache {
namespace {

using rocksdb::PinnableSlice;
using rocksdb::Snapshot;

// Nothing if there is no such record, or none that can be read.
std::optional<Attr> GetAttr(Database& db, const FileId& id,
                            const Snapshot* snapshot = nullptr) {
  PinnableSlice value;
  if (!db.Get(KeySpace::kAttr, NodeKey(id), &value, snapshot).ok()) return {};
  return DecodeAttr(id, value.ToStringView());
}

// Of a complete listing.
std::optional<ListingRecord> GetListing(Database& db, const FileId& dir,
                                        const Snapshot* snapshot = nullptr) {
  PinnableSlice value;
  if (!db.Get(KeySpace::kListing, NodeKey(dir), &value, snapshot).ok()) {
    return std::nullopt;
  }
  return DecodeListing(value.ToStringView());
}

void VisitItems(const RecentDirectories::Items& items, uint64_t after,
                const std::function<bool(const EntryView&)>& visit) {
  auto next = std::ranges::upper_bound(items, after, {},
                                       &RecentDirectories::Item::cookie);
  for (; next != items.end(); ++next) {
    if (!visit({next->cookie, next->name, next->id})) return;
  }
}

}  // namespace

std::optional<NodeRecord> Cache::Impl::GetNode(const FileId& id) {
  const auto gen = storage_->Current();
  if (gen->distrust.Contains(id)) return std::nullopt;
  auto attr = GetAttr(*gen->db, id);
  if (!attr.has_value()) return std::nullopt;
  if (!attr->IsDirectory()) return NodeRecord{.attr = *attr};
  // A listing is replaced together with the attributes: look at both at once.
  auto snapshot = gen->db->TakeSnapshot();
  attr = GetAttr(*gen->db, id, snapshot.snapshot());
  if (!attr.has_value()) return std::nullopt;
  const auto listing = GetListing(*gen->db, id, snapshot.snapshot());
  if (!listing.has_value()) return NodeRecord{.attr = *attr};
  return NodeRecord{*attr, true, listing->digest, listing->lease};
}

LookupResult Cache::Impl::Lookup(const FileId& dir, std::string_view name) {
  const auto gen = storage_->Current();
  if (gen->distrust.Contains(dir) || !IsEntryName(name)) return {};
  const std::string key = EntryKey(dir, NameCookie(name), name);
  PinnableSlice value;
  rocksdb::Status got = gen->db->Get(KeySpace::kDirent, key, &value);
  if (got.IsNotFound()) {
    if (!GetListing(*gen->db, dir).has_value()) return {};
    // "Complete" and "not there" must have been true at one moment.
    auto snapshot = gen->db->TakeSnapshot();
    if (!GetListing(*gen->db, dir, snapshot.snapshot()).has_value()) return {};
    got = gen->db->Get(KeySpace::kDirent, key, &value, snapshot.snapshot());
    if (got.IsNotFound()) return {Presence::kAbsent, {}};
  }
  const auto id = got.ok() ? DecodeFileId(value.ToStringView()) : std::nullopt;
  if (!id.has_value()) return {};
  return {Presence::kPresent, *id};
}

bool Cache::Impl::ReadDir(const FileId& dir, uint64_t after,
                          const std::function<bool(const EntryView&)>& visit) {
  const auto gen = storage_->Current();
  if (gen->distrust.Contains(dir)) return false;
  if (const auto items = gen->directories.Find(dir)) {
    VisitItems(*items, after, visit);
    return true;
  }
  const uint64_t version = gen->directories.version(dir);
  auto snapshot = gen->db->TakeSnapshot();
  if (!GetListing(*gen->db, dir, snapshot.snapshot()).has_value()) return false;
  RecentDirectories::Items items;
  bool whole = after == 0;
  const auto keep = [&](const EntryView& entry) {
    const bool more = visit(entry);
    whole = whole && more && items.size() < RecentDirectories::kMostOfOne;
    if (whole) {
      items.push_back({entry.cookie, std::string(entry.name), entry.id});
    }
    return more;
  };
  if (!VisitRange(*gen, dir, after, snapshot.snapshot(), keep)) {
    MarkDamaged(dir);
    return false;
  }
  if (whole) gen->directories.Remember(dir, version, std::move(items));
  return true;
}

void Cache::Impl::VisitEntries(
    const FileId& dir, const std::function<bool(const EntryView&)>& visit) {
  const auto gen = storage_->Current();
  if (gen->distrust.Contains(dir)) return;
  VisitRange(*gen, dir, 0, nullptr, visit);
}

bool Cache::Impl::VisitRange(
    Generation& gen, const FileId& dir, uint64_t after,
    const Snapshot* snapshot,
    const std::function<bool(const EntryView&)>& visit) {
  if (after == UINT64_MAX) return true;
  Scan scan = gen.db->NewScan(KeySpace::kDirent, EntryKey(dir, after + 1, ""),
                              KeyAfter(dir), snapshot);
  for (; scan.Valid(); scan.Next()) {
    const auto key = DecodeEntryKey(scan.key());
    const auto id = DecodeFileId(scan.value());
    if (!key.has_value() || !id.has_value()) return false;
    if (!visit({key->cookie, key->name, *id})) return true;
  }
  return scan.status().ok();
}

// A listing of which a part cannot be read is not complete any more.
void Cache::Impl::MarkDamaged(const FileId& dir) {
  Commit({{EditOp::Kind::kMarkIncomplete, dir, {}, {}, {}}});
}

}  // namespace warmfs::cache
