#include "bench/statistics.h"

#include <gtest/gtest.h>

namespace warmfs::bench {
namespace {

TEST(Statistics, MedianIsTheMiddleWhateverTheOrder) {
  EXPECT_EQ(Median({}), 0);
  EXPECT_EQ(Median({7}), 7);
  EXPECT_EQ(Median({9, 1, 5}), 5);
  EXPECT_EQ(Median({4, 1, 3, 100}), 3.5);
}

TEST(Statistics, APercentileIsOneOfTheValues) {
  EXPECT_EQ(Percentile({}, 0.5), 0);
  EXPECT_EQ(Percentile({7}, 0), 7);
  EXPECT_EQ(Percentile({7}, 1), 7);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 0.5), 2);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 0.51), 3);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 0.99), 4);
}

TEST(Statistics, OneSlowRunDoesNotMoveTheRatio) {
  const Ratio ratio = Compare({{1, 2}, {1, 2}, {1, 90}});
  EXPECT_EQ(ratio.of_medians, 2);
  EXPECT_EQ(ratio.min, 2);
  EXPECT_EQ(ratio.max, 90);
}

TEST(Statistics, RatioIsOfMediansAndExtremesAreOfPairs) {
  const Ratio ratio = Compare({{1, 3}, {2, 4}, {4, 4}});
  EXPECT_EQ(ratio.of_medians, 2);
  EXPECT_EQ(ratio.min, 1);
  EXPECT_EQ(ratio.max, 3);
}

TEST(Statistics, APairWithoutAReferenceTimeIsLeftOut) {
  const Ratio ratio = Compare({{0, 5}, {2, 6}});
  EXPECT_EQ(ratio.of_medians, 3);
  EXPECT_EQ(Compare({{0, 5}}).max, 0);
}

}  // namespace
}  // namespace warmfs::bench
