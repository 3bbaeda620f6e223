// Keys and values of the database as bytes, per docs/cache-format.md. Pure: no
// storage, no state. Numbers are big-endian in keys, so that bytes sort as
// numbers do, and little-endian in values.
//
// Decoding takes bytes from a disk, so it believes nothing: an answer without a
// value means "not a record of ours", and no input reads out of bounds.

#ifndef WARMFS_CACHE_CODEC_H_
#define WARMFS_CACHE_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schema/ops.h"
#include "schema/types.h"

namespace warmfs::cache {

// --- keys ---

std::string NodeKey(const FileId& id);
std::string EntryKey(const FileId& dir, uint64_t cookie, std::string_view name);
std::string BlockKey(const FileId& id, uint64_t index);

// A key above every key that starts with `id`, and above none of a greater id.
std::string KeyAfter(const FileId& id);

struct EntryKeyParts {
  FileId dir;
  uint64_t cookie = 0;
  std::string_view name;  // points into the key
};
struct BlockKeyParts {
  FileId id;
  uint64_t index = 0;
};
std::optional<FileId> DecodeNodeKey(std::string_view key);
std::optional<EntryKeyParts> DecodeEntryKey(std::string_view key);
std::optional<BlockKeyParts> DecodeBlockKey(std::string_view key);

// A name that a directory can hold: 1 to kMaxNameBytes, no '/' and no NUL.
bool IsEntryName(std::string_view name);

// --- values ---

// Where and how a block's bytes are kept. Only plain bytes so far: a compressed
// block saves disk but costs time on the path that this cache is for.
enum class BlockCodec : uint8_t {
  kPlain = 0,  // in the database
  kFile = 1,   // in a content file
};

struct BlockHeader {
  Version version;  // its id is the key's
  bool racy = false;
  BlockCodec codec = BlockCodec::kPlain;
  uint32_t bytes = 0;
  uint64_t hash = 0;  // XXH3-64 of the bytes

  bool operator==(const BlockHeader&) const = default;
};

std::string EncodeAttr(const Attr& attr);
std::optional<Attr> DecodeAttr(const FileId& id, std::string_view value);

std::string EncodeFileId(const FileId& id);
std::optional<FileId> DecodeFileId(std::string_view value);

// What is kept of a listing that is complete.
struct ListingRecord {
  Digest digest;
  uint64_t lease = 0;

  bool operator==(const ListingRecord&) const = default;
};
std::string EncodeListing(const ListingRecord& listing);
std::optional<ListingRecord> DecodeListing(std::string_view value);

std::string EncodeBlockHeader(const BlockHeader& header);
std::optional<BlockHeader> DecodeBlockHeader(const FileId& id,
                                             std::string_view value);

// The first bytes of a content value repeat the hash of the header that it was
// written with. A crash can leave bytes and header of two generations (only the
// header has a log); this tells that apart from damage, without hashing.
inline constexpr size_t kContentTagBytes = 8;
std::string EncodeContentTag(uint64_t hash);
std::optional<uint64_t> DecodeContentTag(std::string_view value);

std::string EncodeU64(uint64_t number);
std::optional<uint64_t> DecodeU64(std::string_view value);
std::string EncodeU32(uint32_t number);
std::optional<uint32_t> DecodeU32(std::string_view value);

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_CODEC_H_
