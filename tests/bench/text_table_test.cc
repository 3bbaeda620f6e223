#include "bench/text_table.h"

#include <gtest/gtest.h>

namespace warmfs::bench {
namespace {

TEST(TextTable, TimesHaveThreeDigitsAndAUnit) {
  EXPECT_EQ(FormatTime(0), "0 s");
  EXPECT_EQ(FormatTime(812e-9), "812 ns");
  EXPECT_EQ(FormatTime(1.5e-6), "1.50 us");
  EXPECT_EQ(FormatTime(31.44e-3), "31.4 ms");
  EXPECT_EQ(FormatTime(123.4), "123 s");
}

TEST(TextTable, RoundingCarriesOverToTheNextUnit) {
  EXPECT_EQ(FormatTime(0.9999e-3), "1.00 ms");
  EXPECT_EQ(FormatTime(9.999e-3), "10.0 ms");
  EXPECT_EQ(FormatTime(99.97e-3), "100 ms");
}

TEST(TextTable, RatiosAndCountsAreReadable) {
  EXPECT_EQ(FormatRatio(0.984), "0.98x");
  EXPECT_EQ(FormatRatio(12.34), "12.3x");
  EXPECT_EQ(FormatRatio(4321), "4321x");
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
}

TEST(TextTable, ColumnsAreAsWideAsTheirWidestCell) {
  using enum TextTable::Align;
  TextTable table({{"op", kLeft}, {"time", kRight}});
  table.Add({"walk", "9 ms"});
  table.Add({"w", "12345 ms"});
  EXPECT_EQ(table.Format(),
            "op        time\n"
            "walk      9 ms\n"
            "w     12345 ms\n");
}

TEST(TextTable, ShortRowsAndGapsLeaveNoBlanksBehind) {
  using enum TextTable::Align;
  TextTable table({{"op", kLeft}, {"time", kRight}});
  table.Add({"a"});
  table.AddGap();
  EXPECT_EQ(table.Format(), "op  time\na\n\n");
}

}  // namespace
}  // namespace warmfs::bench
