#include "cache/codec.h"

#include <xxhash.h>

#include <bit>
#include <cstring>
#include <limits>

#include "cache/cache.h"
#include "cache/key_space.h"

namespace warmfs::cache {
namespace {

template <typename T>
T Swap(T number) {
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(number);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(number);
  return number;
}

template <typename T>
T Endian(T number, std::endian order) {
  return order == std::endian::native ? number : Swap(number);
}

class Writer {
 public:
  explicit Writer(size_t bytes) { out_.reserve(bytes); }

  template <typename T>
  Writer& Put(T number, std::endian order = std::endian::little) {
    const T raw = Endian(number, order);
    out_.append(reinterpret_cast<const char*>(&raw), sizeof(raw));
    return *this;
  }
  Writer& Put(const Timestamp& t) {
    return Put(static_cast<uint64_t>(t.sec)).Put(t.nsec);
  }
  Writer& PutKeyId(const FileId& id) {
    return Put(id.hi, std::endian::big).Put(id.lo, std::endian::big);
  }
  Writer& PutBytes(std::string_view bytes) {
    out_.append(bytes);
    return *this;
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads past the end give zeros and are remembered.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T Get(std::endian order = std::endian::little) {
    T raw = 0;
    if (rest_.size() < sizeof(raw)) {
      overrun_ = true;
      return 0;
    }
    std::memcpy(&raw, rest_.data(), sizeof(raw));
    rest_.remove_prefix(sizeof(raw));
    return Endian(raw, order);
  }
  Timestamp GetTime() {
    const auto sec = static_cast<int64_t>(Get<uint64_t>());
    return {sec, Get<uint32_t>()};
  }
  FileId GetKeyId() {
    const auto hi = Get<uint64_t>(std::endian::big);
    return {hi, Get<uint64_t>(std::endian::big)};
  }
  std::string_view rest() const { return rest_; }
  bool overrun() const { return overrun_; }
  // All that there was has been read, and nothing more.
  bool Exact() const { return !overrun_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool overrun_ = false;
};

constexpr uint8_t kRacyFlag = 1;

}  // namespace

uint64_t NameCookie(std::string_view name) {
  constexpr uint64_t kFirst = 3;
  constexpr uint64_t kLast = std::numeric_limits<int64_t>::max() - 1;
  const uint64_t cookie = XXH3_64bits(name.data(), name.size()) >> 1;
  if (cookie < kFirst) return cookie + kFirst;
  return cookie > kLast ? kLast : cookie;
}

// --- keys ---

std::string NodeKey(const FileId& id) {
  return Writer(kIdBytes).PutKeyId(id).Take();
}

std::string EntryKey(const FileId& dir, uint64_t cookie,
                     std::string_view name) {
  return Writer(kIdBytes + 8 + name.size())
      .PutKeyId(dir)
      .Put(cookie, std::endian::big)
      .PutBytes(name)
      .Take();
}

std::string BlockKey(const FileId& id, uint64_t index) {
  return Writer(kIdBytes + 8).PutKeyId(id).Put(index, std::endian::big).Take();
}

std::string KeyAfter(const FileId& id) {
  FileId next = id;
  if (++next.lo != 0 || ++next.hi != 0) return NodeKey(next);
  return std::string(kIdBytes + 8 + kMaxNameBytes + 1, '\xff');
}

std::optional<FileId> DecodeNodeKey(std::string_view key) {
  Reader reader(key);
  const FileId id = reader.GetKeyId();
  if (!reader.Exact()) return std::nullopt;
  return id;
}

std::optional<EntryKeyParts> DecodeEntryKey(std::string_view key) {
  Reader reader(key);
  EntryKeyParts parts;
  parts.dir = reader.GetKeyId();
  parts.cookie = reader.Get<uint64_t>(std::endian::big);
  parts.name = reader.rest();
  if (reader.overrun() || !IsEntryName(parts.name)) return std::nullopt;
  return parts;
}

std::optional<BlockKeyParts> DecodeBlockKey(std::string_view key) {
  Reader reader(key);
  BlockKeyParts parts;
  parts.id = reader.GetKeyId();
  parts.index = reader.Get<uint64_t>(std::endian::big);
  if (!reader.Exact()) return std::nullopt;
  return parts;
}

bool IsEntryName(std::string_view name) {
  constexpr std::string_view kForbidden("/\0", 2);
  return !name.empty() && name.size() <= kMaxNameBytes &&
         name.find_first_of(kForbidden) == std::string_view::npos;
}

// --- values ---

std::string EncodeAttr(const Attr& attr) {
  return Writer(85)
      .Put(attr.ino)
      .Put(attr.size)
      .Put(attr.blocks_512)
      .Put(attr.rdev)
      .Put(attr.mode)
      .Put(attr.uid)
      .Put(attr.gid)
      .Put(attr.nlink)
      .Put(attr.atime)
      .Put(attr.mtime)
      .Put(attr.ctime)
      .Put(static_cast<uint8_t>(attr.racy ? kRacyFlag : 0))
      .Take();
}

std::optional<Attr> DecodeAttr(const FileId& id, std::string_view value) {
  Reader reader(value);
  Attr attr;
  attr.id = id;
  attr.ino = reader.Get<uint64_t>();
  attr.size = reader.Get<uint64_t>();
  attr.blocks_512 = reader.Get<uint64_t>();
  attr.rdev = reader.Get<uint64_t>();
  attr.mode = reader.Get<uint32_t>();
  attr.uid = reader.Get<uint32_t>();
  attr.gid = reader.Get<uint32_t>();
  attr.nlink = reader.Get<uint32_t>();
  attr.atime = reader.GetTime();
  attr.mtime = reader.GetTime();
  attr.ctime = reader.GetTime();
  const auto flags = reader.Get<uint8_t>();
  attr.racy = flags & kRacyFlag;
  if (!reader.Exact() || flags > kRacyFlag) return std::nullopt;
  return attr;
}

std::string EncodeFileId(const FileId& id) {
  return Writer(kIdBytes).Put(id.hi).Put(id.lo).Take();
}

std::optional<FileId> DecodeFileId(std::string_view value) {
  Reader reader(value);
  FileId id;
  id.hi = reader.Get<uint64_t>();
  id.lo = reader.Get<uint64_t>();
  if (!reader.Exact()) return std::nullopt;
  return id;
}

std::string EncodeListing(const ListingRecord& listing) {
  return Writer(24)
      .Put(listing.digest.hi)
      .Put(listing.digest.lo)
      .Put(listing.lease)
      .Take();
}

std::optional<ListingRecord> DecodeListing(std::string_view value) {
  Reader reader(value);
  ListingRecord listing;
  listing.digest.hi = reader.Get<uint64_t>();
  listing.digest.lo = reader.Get<uint64_t>();
  listing.lease = reader.Get<uint64_t>();
  if (!reader.Exact()) return std::nullopt;
  return listing;
}

std::string EncodeBlockHeader(const BlockHeader& header) {
  return Writer(46)
      .Put(header.version.size)
      .Put(header.version.mtime)
      .Put(header.version.ctime)
      .Put(static_cast<uint8_t>(header.racy ? kRacyFlag : 0))
      .Put(static_cast<uint8_t>(header.codec))
      .Put(header.bytes)
      .Put(header.hash)
      .Take();
}

std::optional<BlockHeader> DecodeBlockHeader(const FileId& id,
                                             std::string_view value) {
  Reader reader(value);
  BlockHeader header;
  header.version.id = id;
  header.version.size = reader.Get<uint64_t>();
  header.version.mtime = reader.GetTime();
  header.version.ctime = reader.GetTime();
  const auto flags = reader.Get<uint8_t>();
  const auto codec = reader.Get<uint8_t>();
  header.racy = flags & kRacyFlag;
  header.codec = static_cast<BlockCodec>(codec);
  header.bytes = reader.Get<uint32_t>();
  header.hash = reader.Get<uint64_t>();
  if (!reader.Exact() || flags > kRacyFlag) return std::nullopt;
  if (header.codec > BlockCodec::kFile) return std::nullopt;
  if (header.bytes > kBlockBytes) return std::nullopt;
  return header;
}

std::string EncodeContentTag(uint64_t hash) { return EncodeU64(hash); }

std::optional<uint64_t> DecodeContentTag(std::string_view value) {
  Reader reader(value);
  const auto hash = reader.Get<uint64_t>();
  if (reader.overrun()) return std::nullopt;
  return hash;
}

std::string EncodeU64(uint64_t number) {
  return Writer(sizeof(number)).Put(number).Take();
}

std::optional<uint64_t> DecodeU64(std::string_view value) {
  Reader reader(value);
  const auto number = reader.Get<uint64_t>();
  if (!reader.Exact()) return std::nullopt;
  return number;
}

std::string EncodeU32(uint32_t number) {
  return Writer(sizeof(number)).Put(number).Take();
}

std::optional<uint32_t> DecodeU32(std::string_view value) {
  Reader reader(value);
  const auto number = reader.Get<uint32_t>();
  if (!reader.Exact()) return std::nullopt;
  return number;
}

}  // namespace warmfs::cache
