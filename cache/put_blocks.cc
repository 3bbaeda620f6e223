// Putting blocks. The header goes first, so that bytes without a header never
// stay behind in the database, and a header that is dropped leaves the bytes
// of the version before it alone.

#include <xxhash.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "cache/codec.h"
#include "cache/impl.h"

namespace warmfs::cache {
namespace {

// Content up to this many bytes goes through the log, and so survives a crash
// of the process: small files are what a tree is made of, and cost a request
// each to fetch. Larger content would double what a stream writes.
constexpr size_t kLoggedBytes = 16 * 1024;

void PutContent(rocksdb::WriteBatch& batch, Database& db,
                const std::string& key, uint64_t hash, std::string_view bytes) {
  const std::string tag = EncodeContentTag(hash);
  const rocksdb::Slice key_parts[] = {key};
  const rocksdb::Slice value_parts[] = {tag, {bytes.data(), bytes.size()}};
  batch.Put(db[KeySpace::kContent], {key_parts, 1}, {value_parts, 2})
      .PermitUncheckedError();
}

BlockCodec CodecOf(const Generation& gen, const Attr& attr, uint64_t index) {
  return gen.files != nullptr && ContentFiles::Takes(attr.size, index)
             ? BlockCodec::kFile
             : BlockCodec::kPlain;
}

BlockHeader HeaderOf(const Attr& attr, BlockCodec codec,
                     std::string_view bytes) {
  return {attr.version(), attr.racy, codec, static_cast<uint32_t>(bytes.size()),
          XXH3_64bits(bytes.data(), bytes.size())};
}

// Of what goes into the database, with room for the keys.
size_t ContentBytesOf(const Generation& gen,
                      absl::Span<const FileBlocks> files) {
  constexpr size_t kRecordBytes = 128;
  size_t sum = 0;
  for (const FileBlocks& file : files) {
    if (CodecOf(gen, file.attr, file.first) == BlockCodec::kFile) continue;
    for (std::string_view bytes : file.blocks) sum += bytes.size();
    sum += file.blocks.size() * kRecordBytes;
  }
  return sum;
}

}  // namespace

// What is written when blocks are put: headers, and bytes with a log, without,
// and in files.
class Cache::Impl::BlockBatches {
 public:
  BlockBatches(Database& db, size_t bytes) : db_(db), unlogged_(bytes) {}

  void Put(const FileId& id, uint64_t index,
           const std::optional<BlockHeader>& old, const BlockHeader& header,
           std::string_view bytes) {
    if (old == header) return;
    const std::string key = BlockKey(id, index);
    headers_.Put(db_[KeySpace::kBlock], key, EncodeBlockHeader(header))
        .PermitUncheckedError();
    change_.Add(header);
    if (old.has_value()) change_.Add(*old, -1);
    const bool moves = old.has_value() && old->codec != header.codec;
    // The same bytes under a newer version: only the version changes.
    const bool same = old.has_value() && !moves && old->hash == header.hash &&
                      old->bytes == header.bytes;
    if (!same) PutBytes(id, index, key, header, bytes);
    if (moves) LeaveOldPlace(id, index, key, header);
  }
  void PutUsage(const FileId& id, uint64_t stamp) {
    headers_.Put(db_[KeySpace::kUsage], NodeKey(id), EncodeU64(stamp))
        .PermitUncheckedError();
  }

  rocksdb::WriteBatch& headers() { return headers_; }
  rocksdb::WriteBatch& logged() { return logged_; }
  rocksdb::WriteBatch& unlogged() { return unlogged_; }
  const std::vector<FileBytes>& in_files() const { return in_files_; }
  // Blocks that are no longer in files.
  const std::vector<FileBytes>& left_files() const { return left_files_; }
  const Held& change() const { return change_; }

 private:
  void PutBytes(const FileId& id, uint64_t index, const std::string& key,
                const BlockHeader& header, std::string_view bytes) {
    if (header.codec == BlockCodec::kFile) {
      in_files_.push_back({id, index, bytes});
    } else {
      const bool small = bytes.size() <= kLoggedBytes;
      PutContent(small ? logged_ : unlogged_, db_, key, header.hash, bytes);
    }
  }
  // The file has grown or shrunk, across the size from which on it is large.
  void LeaveOldPlace(const FileId& id, uint64_t index, const std::string& key,
                     const BlockHeader& header) {
    if (header.codec == BlockCodec::kFile) {
      headers_.Delete(db_[KeySpace::kContent], key).PermitUncheckedError();
    } else {
      left_files_.push_back({id, index, {}});
    }
  }

  Database& db_;
  rocksdb::WriteBatch headers_;
  rocksdb::WriteBatch logged_;
  rocksdb::WriteBatch unlogged_;
  std::vector<FileBytes> in_files_;
  std::vector<FileBytes> left_files_;
  Held change_;
};

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
  BlockBatches batches(*gen.db, ContentBytesOf(gen, files));
  absl::flat_hash_set<FileId> ids;
  for (const FileBlocks& file : files) {
    const FileId& id = file.attr.id;
    // The same again (by another link): the batch is not seen before its end.
    if (!ids.insert(id).second) continue;
    for (size_t i = 0; i < file.blocks.size(); ++i) {
      const std::string_view bytes = file.blocks[i];
      if (bytes.size() > kBlockBytes) continue;  // no block
      const uint64_t index = file.first + i;
      const BlockCodec codec = CodecOf(gen, file.attr, index);
      batches.Put(id, index, GetHeader(gen, id, index),
                  HeaderOf(file.attr, codec, bytes), bytes);
    }
    batches.PutUsage(id, recency_.Touch(id));
  }
  if (!Write(gen, batches.headers(), WriteLog::kYes)) return;
  gen.Count(batches.change());
  // If one of these is dropped, the headers tell of bytes that are not there:
  // the same as after a crash.
  Write(gen, batches.logged(), WriteLog::kYes);
  WriteInFiles(gen, batches);
  if (batches.unlogged().Count() == 0) return;
  Write(gen, batches.unlogged(), WriteLog::kNo);
  gen.unlogged = true;
}

void Cache::Impl::WriteInFiles(Generation& gen, const BlockBatches& batches) {
  for (const auto& [id, index, bytes] : batches.in_files()) {
    const absl::Status written = gen.files->Write(id, index, bytes);
    if (written.ok()) continue;
    ++dropped_edits_;
    if (absl::IsUnavailable(written)) continue;
    // As if the database had found no room.
    return gen.db->MarkFailed(
        rocksdb::Status::IOError(std::string(written.message())));
  }
  for (const auto& [id, index, bytes] : batches.left_files()) {
    gen.files->Punch(id, index);
  }
}

}  // namespace warmfs::cache
