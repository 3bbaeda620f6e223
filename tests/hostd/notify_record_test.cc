// Buffers as ReadDirectoryChangesW fills them, and such as it never would.

#include "hostd/notify_record.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

namespace warmfs::hostd {
namespace {

template <typename T>
void Append(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string NameOf(std::u16string_view name) {
  return {reinterpret_cast<const char*>(name.data()), 2 * name.size()};
}

std::string Plain(uint32_t action, std::u16string_view name, bool last) {
  std::string record;
  const auto bytes = static_cast<uint32_t>(2 * name.size());
  Append<uint32_t>(&record, last ? 0 : (12 + bytes + 3) / 4 * 4);
  Append(&record, action);
  Append(&record, bytes);
  record += NameOf(name);
  record.resize((record.size() + 3) / 4 * 4);
  return record;
}

std::string Extended(uint32_t action, std::u16string_view name,
                     uint32_t attributes, uint64_t id) {
  std::string record;
  Append<uint32_t>(&record, 0);
  Append(&record, action);
  record.append(48, '\x55');  // times and sizes
  Append(&record, attributes);
  Append<uint32_t>(&record, 0);
  Append(&record, id);
  Append<uint64_t>(&record, 1);
  Append<uint32_t>(&record, static_cast<uint32_t>(2 * name.size()));
  return record + NameOf(name);
}

TEST(NotifyRecordTest, RecordsFollowEachOther) {
  const std::string all =
      Plain(NotifyRecord::kRenamedOld, u"d\\odd", /*last=*/false) +
      Plain(NotifyRecord::kRenamedNew, u"gr\u00fc\u00df", /*last=*/true);
  std::string_view buffer = all;
  NotifyRecord record;
  ASSERT_TRUE(TakeNotifyRecord(false, &buffer, &record));
  EXPECT_EQ(record.action, NotifyRecord::kRenamedOld);
  EXPECT_EQ(record.path, u"d\\odd");
  EXPECT_FALSE(record.id);
  EXPECT_FALSE(record.directory);
  ASSERT_TRUE(TakeNotifyRecord(false, &buffer, &record));
  EXPECT_EQ(record.path, u"gr\u00fc\u00df");
  EXPECT_FALSE(TakeNotifyRecord(false, &buffer, &record));
}

TEST(NotifyRecordTest, TheExFormKnowsIdsAndDirectories) {
  const struct {
    uint32_t attributes;
    std::optional<bool> directory;
  } cases[] = {
      {0x10, true}, {0x20, false}, {0x410, std::nullopt}, {0, std::nullopt}};
  for (const auto& c : cases) {
    const std::string all = Extended(1, u"x", c.attributes, 77);
    std::string_view buffer = all;
    NotifyRecord record;
    ASSERT_TRUE(TakeNotifyRecord(true, &buffer, &record));
    EXPECT_EQ(record.path, u"x");
    EXPECT_EQ(record.id, 77u);
    EXPECT_EQ(record.directory, c.directory) << c.attributes;
  }
  const std::string unknown = Extended(1, u"x", 0, UINT64_MAX);
  std::string_view buffer = unknown;
  NotifyRecord record;
  ASSERT_TRUE(TakeNotifyRecord(true, &buffer, &record));
  EXPECT_FALSE(record.id);
}

TEST(NotifyRecordTest, WhatIsCutShortIsNone) {
  const std::string whole = Plain(1, u"name", /*last=*/true);
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    std::string_view buffer = cut;
    NotifyRecord record;
    EXPECT_FALSE(TakeNotifyRecord(false, &buffer, &record)) << size;
    EXPECT_TRUE(buffer.empty());
  }
}

TEST(NotifyRecordTest, GarbageEndsSomewhere) {
  std::mt19937 random(1);
  for (int i = 0; i < 50'000; ++i) {
    const bool extended = i % 2 == 0;
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random() % 3 == 0 ? random() : 0);
    }
    std::string_view buffer = bytes;
    NotifyRecord record;
    while (TakeNotifyRecord(extended, &buffer, &record)) {
      ASSERT_LT(buffer.size(), bytes.size());
      ASSERT_LE(2 * record.path.size(), bytes.size());
    }
  }
}

}  // namespace
}  // namespace warmfs::hostd
