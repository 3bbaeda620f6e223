// Reading and removing blocks of content. A block is a header, in the database
// and with a log, and its bytes: in the database without one, or in a content
// file. A header whose bytes were lost in a crash is noticed and dropped when
// read.

#include <xxhash.h>

#include <utility>

#include "cache/codec.h"
#include "cache/impl.h"

namespace warmfs::cache {
namespace {

// Operations in one batch when the blocks of a large file are removed.
constexpr uint32_t kMaxRemovals = 4096;

bool Matches(std::string_view bytes, const BlockHeader& header) {
  return bytes.size() == header.bytes &&
         XXH3_64bits(bytes.data(), bytes.size()) == header.hash;
}

void DeleteBlock(rocksdb::WriteBatch& batch, Database& db,
                 std::string_view key) {
  for (KeySpace space : {KeySpace::kBlock, KeySpace::kContent}) {
    batch.Delete(db[space], {key.data(), key.size()}).PermitUncheckedError();
  }
}

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
  rocksdb::PinnableSlice value;
  const rocksdb::Status got =
      gen.db->Get(KeySpace::kBlock, BlockKey(id, index), &value);
  if (got.IsNotFound()) return Found::kNo;
  if (!got.ok()) return Found::kDamaged;
  const auto header = DecodeBlockHeader(id, value.ToStringView());
  if (!header.has_value()) return Found::kDamaged;
  block.version = header->version;
  block.racy = header->racy;
  block.hash = header->hash;
  return header->codec == BlockCodec::kFile
             ? ReadInFile(gen, id, index, *header, block.bytes)
             : ReadInDatabase(gen, id, index, *header, block.bytes);
}

Cache::Impl::Found Cache::Impl::ReadInDatabase(Generation& gen,
                                               const FileId& id, uint64_t index,
                                               const BlockHeader& header,
                                               Buffer& bytes) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status got =
      gen.db->Get(KeySpace::kContent, BlockKey(id, index), &value);
  if (got.IsNotFound()) return Found::kLost;
  if (!got.ok()) return Found::kDamaged;
  const auto tag = DecodeContentTag(value.ToStringView());
  if (!tag.has_value()) return Found::kDamaged;
  if (*tag != header.hash) return Found::kLost;
  value.remove_prefix(kContentTagBytes);
  if (!Matches(value.ToStringView(), header)) return Found::kDamaged;
  bytes = Buffer(value.ToStringView());
  return Found::kYes;
}

// What does not match is lost: see content_files.h.
Cache::Impl::Found Cache::Impl::ReadInFile(Generation& gen, const FileId& id,
                                           uint64_t index,
                                           const BlockHeader& header,
                                           Buffer& bytes) {
  if (gen.files == nullptr) return Found::kLost;
  const absl::Status read = gen.files->Read(id, index, header.bytes, bytes);
  if (absl::IsUnavailable(read)) return Found::kNo;
  if (absl::IsNotFound(read)) return Found::kLost;
  if (!read.ok()) return Found::kDamaged;
  return Matches(bytes, header) ? Found::kYes : Found::kLost;
}

std::optional<Block> Cache::Impl::GetBlock(const FileId& id, uint64_t index) {
  const auto gen = storage_->Current();
  std::optional<Block> block(std::in_place);
  Found found = ReadBlock(*gen, id, index, *block);
  if (found == Found::kLost || found == Found::kDamaged) {
    found = ReadOrDrop(*gen, id, index, *block);
  }
  if (found != Found::kYes) {
    ++block_misses_;
    return std::nullopt;
  }
  ++block_hits_;
  recency_.Touch(id);
  return block;
}

void Cache::Impl::Expect(const FileId& id, uint64_t file_bytes, uint64_t first,
                         uint64_t last) {
  const auto gen = storage_->Current();
  if (gen->files == nullptr || !ContentFiles::Takes(file_bytes, last)) return;
  gen->files->Expect(id, first, last - first + 1);
}

// Looks again, now that nobody can be between header and bytes.
Cache::Impl::Found Cache::Impl::ReadOrDrop(Generation& gen, const FileId& id,
                                           uint64_t index, Block& block) {
  StripedLocks::Guard guard(files_, id);
  const Found found = ReadBlock(gen, id, index, block);
  if (found == Found::kYes || found == Found::kNo) return found;
  if (found == Found::kDamaged) ++hash_mismatches_;
  const auto header = GetHeader(gen, id, index);
  rocksdb::WriteBatch batch;
  DeleteBlock(batch, *gen.db, BlockKey(id, index));
  if (!Write(gen, batch, WriteLog::kYes) || !header.has_value()) return found;
  Held gone;
  gone.Add(*header);
  gen.Count(gone, -1);
  if (header->codec == BlockCodec::kFile) gen.files->Punch(id, index);
  return found;
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
  return AtLeastZero(RemoveContent(*gen, id).bytes);
}

// The headers first: a file without any is found after a crash, headers without
// a file would be counted until each is read.
Held Cache::Impl::RemoveContent(Generation& gen, const FileId& id) {
  StripedLocks::Guard guard(files_, id);
  rocksdb::WriteBatch batch;
  Held in_batch, removed;
  auto write = [&] {
    if (!Write(gen, batch, WriteLog::kYes)) return false;
    gen.Count(in_batch, -1);
    removed.Add(in_batch);
    in_batch = {};
    batch.Clear();
    return true;
  };
  Scan scan = gen.db->NewScan(KeySpace::kBlock, NodeKey(id), KeyAfter(id));
  if (!scan.Valid()) return removed;
  batch.Delete((*gen.db)[KeySpace::kUsage], NodeKey(id)).PermitUncheckedError();
  for (; scan.Valid(); scan.Next()) {
    const auto header = DecodeBlockHeader(id, scan.value());
    if (header.has_value()) in_batch.Add(*header);
    DeleteBlock(batch, *gen.db, scan.key());
    if (batch.Count() >= kMaxRemovals && !write()) return removed;
  }
  if (write() && gen.files != nullptr) gen.files->Remove(id);
  return removed;
}

}  // namespace warmfs::cache
