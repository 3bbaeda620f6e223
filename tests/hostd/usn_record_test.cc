// Buffers of the USN journal: what Windows writes is read, and anything else
// is refused, whatever it says.

#include "hostd/usn_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/fakes/usn_buffer.h"

namespace warmfs::hostd {
namespace {

UsnRecord Sample(int64_t usn, std::u16string name) {
  return {.file = Ref(0x1122334455667788),
          .parent = Ref(5),
          .usn = usn,
          .reasons = kUsnFileCreate | kUsnClose,
          .attributes = kUsnDirectory,
          .name = std::move(name)};
}

class UsnRecordTest : public testing::TestWithParam<int> {
 protected:
  std::string Bytes(const UsnRecord& record) {
    return UsnRecordBytes(record, GetParam());
  }
  // Of one record at 100, with 200 as the next number.
  std::optional<UsnBatch> Parse(const std::string& record) {
    return ParseUsnBatch(UsnBatchBytes(200, record), 100);
  }
};

TEST_P(UsnRecordTest, EachFieldIsRead) {
  const auto batch =
      Parse(Bytes(Sample(100, u"grüß.txt")) + Bytes(Sample(180, u"b")));
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->next, 200);
  ASSERT_EQ(batch->records.size(), 2u);
  const UsnRecord& first = batch->records[0];
  EXPECT_EQ(first.file, Ref(0x1122334455667788));
  EXPECT_EQ(first.parent, Ref(5));
  EXPECT_EQ(first.usn, 100);
  EXPECT_EQ(first.reasons, kUsnFileCreate | kUsnClose);
  EXPECT_EQ(first.attributes, kUsnDirectory);
  EXPECT_EQ(first.name, u"grüß.txt");
  EXPECT_EQ(batch->records[1].name, u"b");
}

TEST_P(UsnRecordTest, ARecordMayHaveNoName) {
  const auto batch = Parse(Bytes(Sample(100, u"")));
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->records.at(0).name, u"");
}

TEST_P(UsnRecordTest, NothingNewIsANumberAlone) {
  const auto batch = ParseUsnBatch(UsnBatchBytes(100, ""), 100);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->next, 100);
  EXPECT_TRUE(batch->records.empty());
}

TEST_P(UsnRecordTest, WhatIsCutOffAnywhereIsRefused) {
  const std::string whole = UsnBatchBytes(200, Bytes(Sample(100, u"name")));
  ASSERT_TRUE(ParseUsnBatch(whole, 100));
  int refused = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    if (size == sizeof(int64_t)) continue;  // a number alone
    // Of its own, so that a sanitizer sees each byte read beyond it.
    const std::string cut(whole, 0, size);
    EXPECT_FALSE(ParseUsnBatch(cut, 100)) << size;
    ++refused;
  }
  EXPECT_EQ(refused, static_cast<int>(whole.size()) - 1);
}

TEST_P(UsnRecordTest, LengthsThatDoNotFitAreRefused) {
  const UsnLayout& at = GetParam() == 2 ? kUsnLayout2 : kUsnLayout3;
  const std::string good = Bytes(Sample(100, u"name"));
  const auto with = [&](size_t offset, auto value) {
    std::string bad = good;
    Put(&bad, offset, value);
    return bad;
  };
  for (uint32_t length :
       {0u, 4u, 8u, 61u, static_cast<uint32_t>(at.name - 4),
        static_cast<uint32_t>(good.size() + 8), 0xfffffff8u}) {
    EXPECT_FALSE(Parse(with(kUsnRecordLength, length))) << length;
  }
  for (uint16_t version : {0, 1, 4, 0xffff}) {
    EXPECT_FALSE(Parse(with(kUsnMajorVersion, version))) << version;
  }
  for (uint16_t length : {7, 100, 0xfffe}) {
    EXPECT_FALSE(Parse(with(at.name_length, length))) << length;
  }
  for (uint16_t offset : {0, 8, 0xfffe}) {
    EXPECT_FALSE(Parse(with(at.name_offset, offset))) << offset;
  }
}

TEST_P(UsnRecordTest, NumbersGoUpBetweenWhatWasAskedForAndTheNext) {
  const auto at = [&](int64_t usn) { return Bytes(Sample(usn, u"n")); };
  EXPECT_TRUE(Parse(at(100) + at(199)));
  EXPECT_FALSE(Parse(at(99)));
  EXPECT_FALSE(Parse(at(200)));
  EXPECT_FALSE(Parse(at(150) + at(150)));
  EXPECT_FALSE(Parse(at(150) + at(120)));
  EXPECT_FALSE(ParseUsnBatch(UsnBatchBytes(99, ""), 100)) << "going back";
}

// Any bytes at all: answered, with names that lie within the buffer.
TEST_P(UsnRecordTest, DamagedBuffersDoNoHarm) {
  std::mt19937 random(GetParam());
  const std::string good = UsnBatchBytes(
      1000, Bytes(Sample(100, u"one")) + Bytes(Sample(200, u"another")) +
                Bytes(Sample(300, u"a third, with a longer name")));
  int parsed = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(good, 0,
                      round % 4 == 0 ? random() % good.size() : good.size());
    for (size_t n = random() % 8; n > 0 && !bytes.empty(); --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const auto batch = ParseUsnBatch(bytes, 100);
    ++(batch ? parsed : refused);
    if (!batch) continue;
    size_t units = 0;
    for (const UsnRecord& record : batch->records) units += record.name.size();
    EXPECT_LE(units * 2, bytes.size());
  }
  EXPECT_GT(parsed, 100);
  EXPECT_GT(refused, 1000);
}

INSTANTIATE_TEST_SUITE_P(Versions, UsnRecordTest, testing::Values(2, 3));

}  // namespace
}  // namespace warmfs::hostd
