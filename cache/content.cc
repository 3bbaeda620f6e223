// Blocks of content. A block is a header (with a log) and its bytes (without):
// the header goes first, so bytes without a header never stay behind, and a
// header whose bytes were lost in a crash is noticed and dropped when read.

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "cache/codec.h"
#include "cache/impl.h"

namespace warmfs::cache {
namespace {

// Content up to this many bytes goes through the log, and so survives a crash
// of the process: small files are what a tree is made of, and cost a request
// each to fetch. Larger content would double what a stream writes.
constexpr size_t kLoggedBytes = 16 * 1024;

// Operations in one batch when the blocks of a large file are removed.
constexpr uint32_t kMaxRemovals = 4096;

void Put(rocksdb::WriteBatch& batch, Database& db, KeySpace space,
         std::string_view key, const std::string& value) {
  batch.Put(db[space], {key.data(), key.size()}, value).PermitUncheckedError();
}

void PutContent(rocksdb::WriteBatch& batch, Database& db,
                const std::string& key, uint64_t hash, std::string_view bytes) {
  const std::string tag = EncodeContentTag(hash);
  const rocksdb::Slice key_parts[] = {key};
  const rocksdb::Slice value_parts[] = {tag, {bytes.data(), bytes.size()}};
  batch.Put(db[KeySpace::kContent], {key_parts, 1}, {value_parts, 2})
      .PermitUncheckedError();
}

void DeleteBlock(rocksdb::WriteBatch& batch, Database& db,
                 std::string_view key) {
  for (KeySpace space : {KeySpace::kBlock, KeySpace::kContent}) {
    batch.Delete(db[space], {key.data(), key.size()}).PermitUncheckedError();
  }
}

BlockHeader HeaderOf(const Attr& attr, std::string_view bytes) {
  return {attr.version(), attr.racy, BlockCodec::kPlain,
          static_cast<uint32_t>(bytes.size()),
          XXH3_64bits(bytes.data(), bytes.size())};
}

// With room for the keys.
size_t ContentBytesOf(absl::Span<const FileBlocks> files) {
  constexpr size_t kRecordBytes = 128;
  size_t sum = 0;
  for (const FileBlocks& file : files) {
    for (std::string_view bytes : file.blocks) sum += bytes.size();
    sum += file.blocks.size() * kRecordBytes;
  }
  return sum;
}

// What is written when blocks are put: headers, and bytes with a log and
// without.
class BlockBatches {
 public:
  explicit BlockBatches(size_t bytes) : unlogged_(bytes) {}

  void Put(Database& db, const std::string& key,
           const std::optional<BlockHeader>& old, const BlockHeader& header,
           std::string_view bytes) {
    if (old == header) return;
    cache::Put(headers_, db, KeySpace::kBlock, key, EncodeBlockHeader(header));
    // The same bytes under a newer version: only the version changes.
    const bool same = old.has_value() && old->hash == header.hash &&
                      old->bytes == header.bytes;
    const bool small = bytes.size() <= kLoggedBytes;
    if (!same) {
      PutContent(small ? logged_ : unlogged_, db, key, header.hash, bytes);
    }
    more_bytes_ += int64_t{header.bytes} - (old.has_value() ? old->bytes : 0);
    more_blocks_ += old.has_value() ? 0 : 1;
  }

  rocksdb::WriteBatch& headers() { return headers_; }
  rocksdb::WriteBatch& logged() { return logged_; }
  rocksdb::WriteBatch& unlogged() { return unlogged_; }
  int64_t more_bytes() const { return more_bytes_; }
  int64_t more_blocks() const { return more_blocks_; }

 private:
  rocksdb::WriteBatch headers_;
  rocksdb::WriteBatch logged_;
  rocksdb::WriteBatch unlogged_;
  int64_t more_bytes_ = 0;
  int64_t more_blocks_ = 0;
};

}  // namespace

std::optional<BlockHeader> Cache::Impl::GetHeader(Generation& gen,
                                                  const FileId& id,
                                                  uint64_t index) {
  rocksdb::PinnableSlice value;
  if (!gen.db->Get(KeySpace::kBlock, BlockKey(id, index), &value).ok()) {
    return std::nullopt;
  }
  return DecodeBlockHeader(id, value.ToStringView());
}

Cache::Impl::Found Cache::Impl::ReadBlock(Generation& gen, const FileId& id,
                                          uint64_t index, Block& block) {
  const std::string key = BlockKey(id, index);
  rocksdb::PinnableSlice value;
  rocksdb::Status got = gen.db->Get(KeySpace::kBlock, key, &value);
  if (got.IsNotFound()) return Found::kNo;
  if (!got.ok()) return Found::kDamaged;
  const auto header = DecodeBlockHeader(id, value.ToStringView());
  if (!header.has_value()) return Found::kDamaged;
  value.Reset();
  got = gen.db->Get(KeySpace::kContent, key, &value);
  if (got.IsNotFound()) return Found::kLost;
  if (!got.ok()) return Found::kDamaged;
  const auto tag = DecodeContentTag(value.ToStringView());
  if (!tag.has_value()) return Found::kDamaged;
  if (*tag != header->hash) return Found::kLost;
  value.remove_prefix(kContentTagBytes);
  if (value.size() != header->bytes ||
      XXH3_64bits(value.data(), value.size()) != header->hash) {
    return Found::kDamaged;
  }
  block.version = header->version;
  block.racy = header->racy;
  block.hash = header->hash;
  block.bytes.assign(value.data(), value.size());
  return Found::kYes;
}

std::optional<Block> Cache::Impl::GetBlock(const FileId& id, uint64_t index) {
  const auto gen = storage_->Current();
  std::optional<Block> block(std::in_place);
  const Found found = ReadBlock(*gen, id, index, *block);
  if (found == Found::kYes) {
    ++block_hits_;
    recency_.Touch(id);
    return block;
  }
  ++block_misses_;
  if (found != Found::kNo) DropIfUnreadable(*gen, id, index);
  return std::nullopt;
}

// Looks again, now that nobody can be between header and bytes.
void Cache::Impl::DropIfUnreadable(Generation& gen, const FileId& id,
                                   uint64_t index) {
  StripedLocks::Guard guard(files_, id);
  Block block;
  const Found found = ReadBlock(gen, id, index, block);
  if (found == Found::kYes || found == Found::kNo) return;
  if (found == Found::kDamaged) ++hash_mismatches_;
  const auto header = GetHeader(gen, id, index);
  rocksdb::WriteBatch batch;
  DeleteBlock(batch, *gen.db, BlockKey(id, index));
  if (!Write(gen, batch, WriteLog::kYes) || !header.has_value()) return;
  gen.content_bytes -= header->bytes;
  gen.blocks -= 1;
}

void Cache::Impl::PutBlocks(absl::Span<const FileBlocks> files) {
  if (files.empty()) return;
  const auto gen = storage_->Current();
  const auto max_bytes = static_cast<int64_t>(MaxBytes(*gen));
  // Writers can be faster than the housekeeper: this much over, they lose.
  const int64_t slack = std::max<int64_t>(max_bytes / 8, 16 * kMiB);
  const int64_t held = gen->content_bytes;
  if (held > max_bytes + slack) {
    ++dropped_edits_;
    return Ask({.evict = true});
  }
  std::vector<FileId> ids;
  for (const FileBlocks& file : files) ids.push_back(file.attr.id);
  {
    StripedLocks::Guard guard(files_, StripedLocks::StripesOf(ids));
    PutBlocksLocked(*gen, files);
  }
  if (gen->content_bytes > max_bytes) Ask({.evict = true});
  if (recency_.WantsWriting()) Ask({.recency = true});
}

void Cache::Impl::PutBlocksLocked(Generation& gen,
                                  absl::Span<const FileBlocks> files) {
  BlockBatches batches(ContentBytesOf(files));
  absl::flat_hash_set<FileId> ids;
  for (const FileBlocks& file : files) {
    const FileId& id = file.attr.id;
    // The same again (by another link): the batch is not seen before its end.
    if (!ids.insert(id).second) continue;
    for (size_t i = 0; i < file.blocks.size(); ++i) {
      const std::string_view bytes = file.blocks[i];
      if (bytes.size() > kBlockBytes) continue;  // no block
      const uint64_t index = file.first + i;
      batches.Put(*gen.db, BlockKey(id, index), GetHeader(gen, id, index),
                  HeaderOf(file.attr, bytes), bytes);
    }
    Put(batches.headers(), *gen.db, KeySpace::kUsage, NodeKey(id),
        EncodeU64(recency_.Touch(id)));
  }
  if (!Write(gen, batches.headers(), WriteLog::kYes)) return;
  gen.content_bytes += batches.more_bytes();
  gen.blocks += batches.more_blocks();
  // If one of these is dropped, the headers tell of bytes that are not there:
  // the same as after a crash.
  Write(gen, batches.logged(), WriteLog::kYes);
  if (batches.unlogged().Count() == 0) return;
  Write(gen, batches.unlogged(), WriteLog::kNo);
  gen.unlogged = true;
}

bool Cache::Impl::HoldsContent(const FileId& id) {
  return GetHeader(*storage_->Current(), id, 0).has_value();
}

void Cache::Impl::AwaitRoom() {
  storage_->Current()->db->AwaitWritable(absl::Seconds(1));
}

uint64_t Cache::Impl::ContentBytes(const FileId& id) {
  const auto gen = storage_->Current();
  uint64_t bytes = 0;
  Scan scan = gen->db->NewScan(KeySpace::kBlock, NodeKey(id), KeyAfter(id));
  for (; scan.Valid(); scan.Next()) {
    const auto header = DecodeBlockHeader(id, scan.value());
    if (header.has_value()) bytes += header->bytes;
  }
  return bytes;
}

uint64_t Cache::Impl::EvictFile(const FileId& id) {
  const auto gen = storage_->Current();
  return RemoveContent(*gen, id);
}

uint64_t Cache::Impl::RemoveContent(Generation& gen, const FileId& id) {
  StripedLocks::Guard guard(files_, id);
  rocksdb::WriteBatch batch;
  int64_t bytes = 0, blocks = 0, removed = 0;
  auto write = [&] {
    if (!Write(gen, batch, WriteLog::kYes)) return false;
    gen.content_bytes -= bytes;
    gen.blocks -= blocks;
    removed += bytes;
    bytes = blocks = 0;
    batch.Clear();
    return true;
  };
  Scan scan = gen.db->NewScan(KeySpace::kBlock, NodeKey(id), KeyAfter(id));
  if (!scan.Valid()) return 0;
  batch.Delete((*gen.db)[KeySpace::kUsage], NodeKey(id)).PermitUncheckedError();
  for (; scan.Valid(); scan.Next()) {
    const auto header = DecodeBlockHeader(id, scan.value());
    bytes += header.has_value() ? header->bytes : 0;
    blocks += header.has_value() ? 1 : 0;
    DeleteBlock(batch, *gen.db, scan.key());
    if (batch.Count() >= kMaxRemovals && !write()) return removed;
  }
  write();
  return removed;
}

}  // namespace warmfs::cache
