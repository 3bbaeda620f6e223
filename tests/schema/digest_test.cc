// The digest of a listing: what it depends on, and what not.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "schema/ops.h"

namespace warmfs {
namespace {

DirEntry SomeEntry(uint64_t n) {
  DirEntry entry;
  entry.name = "name-" + std::to_string(n);
  entry.attr.id = {n, ~n};
  entry.attr.ino = n;
  entry.attr.size = 3 * n;
  entry.attr.mode = 0100644;
  entry.attr.nlink = 1;
  entry.attr.mtime = {1'700'000'000, static_cast<uint32_t>(n)};
  entry.attr.ctime = {1'700'000'001, static_cast<uint32_t>(n)};
  return entry;
}

Digest DigestOf(const std::vector<DirEntry>& entries) {
  Digest digest;
  for (const DirEntry& entry : entries) digest.Add(entry);
  return digest;
}

TEST(DigestTest, NothingAddedIsNone) {
  EXPECT_TRUE(Digest().IsNone());
  EXPECT_TRUE(DigestOf({}).IsNone());
  EXPECT_FALSE((Digest{0, 1}).IsNone());
  EXPECT_FALSE((Digest{1, 0}).IsNone());
  EXPECT_FALSE(DigestOf({SomeEntry(1)}).IsNone());
}

TEST(DigestTest, OrderDoesNotMatter) {
  std::vector<DirEntry> entries;
  for (uint64_t n = 0; n < 200; ++n) entries.push_back(SomeEntry(n));
  const Digest digest = DigestOf(entries);
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    std::shuffle(entries.begin(), entries.end(), random);
    EXPECT_EQ(DigestOf(entries), digest);
  }
}

TEST(DigestTest, TheNumberOfEqualEntriesMatters) {
  const DirEntry e = SomeEntry(1);
  EXPECT_NE(DigestOf({e}), DigestOf({e, e}));
  EXPECT_NE(DigestOf({e, e}), DigestOf({}));
}

struct FieldCase {
  const char* name;
  std::function<void(DirEntry&)> change;
};

class DigestFieldTest : public testing::TestWithParam<FieldCase> {};

TEST_P(DigestFieldTest, AnotherValueIsAnotherDigest) {
  DirEntry changed = SomeEntry(1);
  GetParam().change(changed);
  EXPECT_NE(DigestOf({changed}), DigestOf({SomeEntry(1)}));
  EXPECT_NE(DigestOf({SomeEntry(2), changed}),
            DigestOf({SomeEntry(2), SomeEntry(1)}));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, DigestFieldTest,
    testing::Values(
        FieldCase{"name", [](DirEntry& e) { e.name += "x"; }},
        FieldCase{"id_hi", [](DirEntry& e) { ++e.attr.id.hi; }},
        FieldCase{"id_lo", [](DirEntry& e) { ++e.attr.id.lo; }},
        FieldCase{"ino", [](DirEntry& e) { ++e.attr.ino; }},
        FieldCase{"size", [](DirEntry& e) { ++e.attr.size; }},
        FieldCase{"blocks", [](DirEntry& e) { ++e.attr.blocks_512; }},
        FieldCase{"rdev", [](DirEntry& e) { ++e.attr.rdev; }},
        FieldCase{"mode", [](DirEntry& e) { ++e.attr.mode; }},
        FieldCase{"uid", [](DirEntry& e) { ++e.attr.uid; }},
        FieldCase{"gid", [](DirEntry& e) { ++e.attr.gid; }},
        FieldCase{"nlink", [](DirEntry& e) { ++e.attr.nlink; }},
        FieldCase{"mtime_sec", [](DirEntry& e) { ++e.attr.mtime.sec; }},
        FieldCase{"mtime_nsec", [](DirEntry& e) { ++e.attr.mtime.nsec; }},
        FieldCase{"ctime_sec", [](DirEntry& e) { ++e.attr.ctime.sec; }},
        FieldCase{"ctime_nsec", [](DirEntry& e) { ++e.attr.ctime.nsec; }}),
    [](const auto& info) { return std::string(info.param.name); });

// Values that change places must not cancel out.
TEST(DigestTest, FieldsAreNotInterchangeable) {
  DirEntry a = SomeEntry(1), b = SomeEntry(1);
  a.attr.uid = 1, b.attr.gid = 1;
  EXPECT_NE(DigestOf({a}), DigestOf({b}));
  std::vector<DirEntry> names = {SomeEntry(1), SomeEntry(2)};
  const Digest before = DigestOf(names);
  std::swap(names[0].name, names[1].name);
  EXPECT_NE(DigestOf(names), before) << "two files exchanged their names";
}

TEST(DigestTest, ReadingAFileDoesNotChangeIt) {
  DirEntry touched = SomeEntry(1);
  touched.attr.atime = {1'800'000'000, 7};
  touched.attr.racy = true;
  EXPECT_EQ(DigestOf({touched}), DigestOf({SomeEntry(1)}));
}

TEST(DigestTest, SingleBitsOfManyEntriesDoNotCollide) {
  std::set<std::pair<uint64_t, uint64_t>> seen;
  for (int bit = 0; bit < 64; ++bit) {
    DirEntry size = SomeEntry(0), ino = SomeEntry(0);
    size.attr.size ^= uint64_t{1} << bit;
    ino.attr.ino ^= uint64_t{1} << bit;
    for (const DirEntry& e : {size, ino}) {
      const Digest digest = DigestOf({e});
      EXPECT_TRUE(seen.emplace(digest.hi, digest.lo).second) << bit;
    }
  }
}

// Both sides of any two builds must agree: a change of the digest is a change
// of the protocol.
TEST(DigestTest, TheValueIsPartOfTheProtocol) {
  const Digest digest = DigestOf({SomeEntry(1), SomeEntry(2)});
  EXPECT_EQ(digest.hi, 0xf5a97a4bb4e4e354u) << std::hex << digest.hi;
  EXPECT_EQ(digest.lo, 0xe24cd6acb54ff339u) << std::hex << digest.lo;
}

}  // namespace
}  // namespace warmfs
