// Every record read and decoded, every block against its hash.

#include "absl/strings/str_cat.h"
#include "cache/codec.h"
#include "cache/impl.h"

namespace warmfs::cache {
namespace {

using OnBad = std::function<void(std::string_view)>;

const char* NameOf(KeySpace space) {
  return kKeySpaces[static_cast<size_t>(space)].name;
}

bool IsSound(KeySpace space, std::string_view key, std::string_view value) {
  switch (space) {
    case KeySpace::kMeta:
      return true;  // checked at open
    case KeySpace::kAttr: {
      const auto id = DecodeNodeKey(key);
      return id.has_value() && DecodeAttr(*id, value).has_value();
    }
    case KeySpace::kListing:
      return DecodeNodeKey(key).has_value() && DecodeListing(value).has_value();
    case KeySpace::kDirent:
      return DecodeEntryKey(key).has_value() && DecodeFileId(value).has_value();
    case KeySpace::kBlock: {
      const auto parts = DecodeBlockKey(key);
      return parts.has_value() &&
             DecodeBlockHeader(parts->id, value).has_value();
    }
    case KeySpace::kContent:
      return DecodeBlockKey(key).has_value() &&
             DecodeContentTag(value).has_value();
    case KeySpace::kUsage:
      return DecodeNodeKey(key).has_value() && DecodeU64(value).has_value();
  }
  return false;
}

// Only the records: the bytes of blocks are read one by one elsewhere.
void VerifyRecords(Database& db, KeySpace space, VerifyReport& report,
                   const OnBad& on_bad) {
  Scan scan = db.NewScan(space, "", "");
  for (; scan.Valid(); scan.Next()) {
    if (IsSound(space, scan.key(), scan.value())) continue;
    ++report.bad_records;
    on_bad(absl::StrCat(NameOf(space), ": a record of ", scan.value().size(),
                        " bytes under a key of ", scan.key().size(),
                        " bytes cannot be decoded"));
  }
  if (scan.status().ok()) return;
  ++report.bad_records;
  on_bad(absl::StrCat(NameOf(space), ": ", scan.status().ToString()));
}

}  // namespace

VerifyReport Cache::Impl::Verify(const OnBad& on_bad) {
  const auto gen = storage_->Current();
  VerifyReport report;
  for (const KeySpaceRow& row : kKeySpaces) {
    if (!row.blob_files) VerifyRecords(*gen->db, row.id, report, on_bad);
  }
  Scan scan = gen->db->NewScan(KeySpace::kBlock, "", "");
  for (; scan.Valid(); scan.Next()) {
    const auto key = DecodeBlockKey(scan.key());
    if (!key.has_value()) continue;
    Block block;
    const Found found = ReadBlock(*gen, key->id, key->index, block);
    ++report.blocks;
    report.bytes += block.bytes.size();
    if (found != Found::kDamaged) continue;  // lost: just not there
    ++report.bad_blocks;
    on_bad(absl::StrCat("block ", key->index, " of ", key->id.ToString(),
                        " does not match its hash"));
  }
  return report;
}

}  // namespace warmfs::cache
