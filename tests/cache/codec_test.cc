// The bytes of keys and values: a golden sample of each, and no input that
// makes a decoder read out of bounds or believe nonsense.

#include "cache/codec.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "tests/cache/support.h"

namespace warmfs::cache {
namespace {

const FileId kId = {0x0102030405060708, 0x090a0b0c0d0e0f10};

std::string Hex(const std::string& bytes) {
  return std::string(absl::BytesToHexString(bytes));
}

Attr GoldenAttr() {
  Attr attr;
  attr.id = kId;
  attr.ino = 1;
  attr.size = 2;
  attr.blocks_512 = 3;
  attr.rdev = 4;
  attr.mode = 0100644;
  attr.uid = 5;
  attr.gid = 6;
  attr.nlink = 7;
  attr.atime = {-1, 8};
  attr.mtime = {9, 10};
  attr.ctime = {11, 12};
  attr.racy = true;
  return attr;
}

BlockHeader GoldenHeader() {
  return {GoldenAttr().version(), true, BlockCodec::kPlain, 131072, 0xabcdef};
}

TEST(Format, KeysAreBigEndian) {
  EXPECT_EQ(Hex(NodeKey(kId)), "0102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(Hex(EntryKey(kId, 0x1122, "ab")),
            "0102030405060708090a0b0c0d0e0f1000000000000011226162");
  EXPECT_EQ(Hex(BlockKey(kId, 3)),
            "0102030405060708090a0b0c0d0e0f100000000000000003");
}

TEST(Format, ValuesAreLittleEndian) {
  EXPECT_EQ(Hex(EncodeAttr(GoldenAttr())),
            "0100000000000000"
            "0200000000000000"
            "0300000000000000"
            "0400000000000000"
            "a4810000"
            "05000000"
            "06000000"
            "07000000"
            "ffffffffffffffff"
            "08000000"
            "0900000000000000"
            "0a000000"
            "0b00000000000000"
            "0c000000"
            "01");
  EXPECT_EQ(Hex(EncodeFileId(kId)), "0807060504030201100f0e0d0c0b0a09");
  EXPECT_EQ(Hex(EncodeListing({{1, 2}, 3})),
            "010000000000000002000000000000000300000000000000");
  EXPECT_EQ(Hex(EncodeBlockHeader(GoldenHeader())),
            "0200000000000000"
            "0900000000000000"
            "0a000000"
            "0b00000000000000"
            "0c000000"
            "01"
            "00"
            "00000200"
            "efcdab0000000000");
  EXPECT_EQ(Hex(EncodeContentTag(1)), "0100000000000000");
  EXPECT_EQ(Hex(EncodeU64(1)), "0100000000000000");
  EXPECT_EQ(Hex(EncodeU32(1)), "01000000");
}

TEST(Codec, WhatIsEncodedIsDecoded) {
  EXPECT_EQ(DecodeNodeKey(NodeKey(kId)), kId);
  const std::string entry_key = EntryKey(kId, 77, "name");
  EXPECT_EQ(DecodeEntryKey(entry_key)->dir, kId);
  EXPECT_EQ(DecodeEntryKey(entry_key)->cookie, 77u);
  EXPECT_EQ(DecodeEntryKey(entry_key)->name, "name");
  EXPECT_EQ(DecodeBlockKey(BlockKey(kId, 78))->id, kId);
  EXPECT_EQ(DecodeBlockKey(BlockKey(kId, 78))->index, 78u);
  EXPECT_EQ(DecodeAttr(kId, EncodeAttr(GoldenAttr())), GoldenAttr());
  EXPECT_EQ(DecodeFileId(EncodeFileId(kId)), kId);
  EXPECT_EQ(DecodeListing(EncodeListing({{1, 2}, 3})),
            (ListingRecord{{1, 2}, 3}));
  EXPECT_EQ(DecodeBlockHeader(kId, EncodeBlockHeader(GoldenHeader())),
            GoldenHeader());
  EXPECT_EQ(DecodeContentTag(EncodeContentTag(79) + "bytes"), 79u);
  EXPECT_EQ(DecodeU64(EncodeU64(80)), 80u);
  EXPECT_EQ(DecodeU32(EncodeU32(81)), 81u);
}

TEST(Codec, KeysSortByIdThenNumberThenName) {
  const std::string least = EntryKey({1, UINT64_MAX}, 300, "z");
  const std::string next = EntryKey({2, 0}, 3, "a");
  EXPECT_LT(least, next);
  EXPECT_LT(next, EntryKey({2, 0}, 3, "b"));
  EXPECT_LT(EntryKey({2, 0}, 3, "b"), EntryKey({2, 0}, 256, "a"));
  EXPECT_LT(BlockKey(kId, 255), BlockKey(kId, 256));
}

TEST(Codec, KeyAfterIsAboveAllOfAnIdAndBelowTheNext) {
  for (const FileId& id :
       {FileId{0, 0}, FileId{3, UINT64_MAX}, FileId{UINT64_MAX, UINT64_MAX}}) {
    EXPECT_LT(EntryKey(id, UINT64_MAX, std::string(kMaxNameBytes, '\xff')),
              KeyAfter(id));
  }
  EXPECT_LE(KeyAfter({3, UINT64_MAX}), NodeKey({4, 0}));
}

TEST(Codec, RefusesWhatThisVersionDoesNotKnow) {
  std::string flags = EncodeAttr(GoldenAttr());
  flags.back() = 2;
  EXPECT_FALSE(DecodeAttr(kId, flags).has_value());
  std::string codec = EncodeBlockHeader(GoldenHeader());
  codec[33] = 2;
  EXPECT_FALSE(DecodeBlockHeader(kId, codec).has_value());
  BlockHeader long_block = GoldenHeader();
  long_block.bytes = kBlockBytes + 1;
  EXPECT_FALSE(
      DecodeBlockHeader(kId, EncodeBlockHeader(long_block)).has_value());
  EXPECT_FALSE(DecodeEntryKey(EntryKey(kId, 3, "a/b")).has_value());
  EXPECT_FALSE(DecodeEntryKey(EntryKey(kId, 3, "")).has_value());
}

// Each decoder with a good value of it. The decoder answers whether it
// believed the bytes.
struct Decoder {
  std::function<bool(std::string_view)> decode;
  std::string good;
  bool exact = true;  // longer or shorter is refused
};

std::map<std::string, Decoder> AllDecoders() {
  auto believes = [](auto decode) {
    return
        [decode](std::string_view bytes) { return decode(bytes).has_value(); };
  };
  return {
      {"node key", {believes(DecodeNodeKey), NodeKey(kId)}},
      {"entry key", {believes(DecodeEntryKey), EntryKey(kId, 5, "n"), false}},
      {"block key", {believes(DecodeBlockKey), BlockKey(kId, 5)}},
      {"attr",
       {believes([](std::string_view b) { return DecodeAttr(kId, b); }),
        EncodeAttr(GoldenAttr())}},
      {"file id", {believes(DecodeFileId), EncodeFileId(kId)}},
      {"listing", {believes(DecodeListing), EncodeListing({{1, 2}, 3})}},
      {"block header",
       {believes([](std::string_view b) { return DecodeBlockHeader(kId, b); }),
        EncodeBlockHeader(GoldenHeader())}},
      {"content tag", {believes(DecodeContentTag), EncodeContentTag(5), false}},
      {"u64", {believes(DecodeU64), EncodeU64(5)}},
      {"u32", {believes(DecodeU32), EncodeU32(5)}},
  };
}

// A copy of exactly its size on the heap, so that a sanitizer sees any overrun.
bool DecodeOnHeap(const Decoder& decoder, std::string_view bytes) {
  const std::unique_ptr<char[]> exact(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return decoder.decode({exact.get(), bytes.size()});
}

TEST(Decoders, RefuseEveryTruncation) {
  for (const auto& [name, decoder] : AllDecoders()) {
    EXPECT_TRUE(DecodeOnHeap(decoder, decoder.good)) << name;
    for (size_t size = 0; size < decoder.good.size(); ++size) {
      EXPECT_FALSE(DecodeOnHeap(decoder, decoder.good.substr(0, size)))
          << name << " cut to " << size;
    }
  }
}

TEST(Decoders, RefuseTrailingBytes) {
  for (const auto& [name, decoder] : AllDecoders()) {
    EXPECT_EQ(DecodeOnHeap(decoder, decoder.good + "x"), !decoder.exact)
        << name;
  }
}

// What a decoder believes has the length of a record; nothing else is asked of
// random bytes but that the sanitizers stay silent.
TEST(Decoders, SurviveRandomBytes) {
  std::mt19937 random(1);
  for (const auto& [name, decoder] : AllDecoders()) {
    for (int round = 0; round < 20000; ++round) {
      std::string bytes(random() % 120, '\0');
      for (char& c : bytes) c = static_cast<char>(random());
      if (DecodeOnHeap(decoder, bytes) && decoder.exact) {
        ASSERT_EQ(bytes.size(), decoder.good.size()) << name;
      }
    }
  }
}

}  // namespace
}  // namespace warmfs::cache
