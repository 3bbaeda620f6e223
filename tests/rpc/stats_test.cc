// Percentiles to within 9 %, and counts that are exact whatever the threads.

#include "rpc/stats.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

namespace warmfs::rpc {
namespace {

double Micros(const LatencyHistogram& h, double fraction) {
  return absl::ToDoubleMicroseconds(h.Percentile(fraction));
}

TEST(LatencyHistogramTest, EmptyIsZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Percentile(0.5), absl::ZeroDuration());
}

TEST(LatencyHistogramTest, PercentilesAreRightToNinePercent) {
  LatencyHistogram histogram;
  for (int us = 1; us <= 10'000; ++us) histogram.Record(absl::Microseconds(us));
  EXPECT_EQ(histogram.count(), 10'000u);
  for (const double fraction : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = 10'000 * fraction;
    EXPECT_NEAR(Micros(histogram, fraction), exact, 0.09 * exact) << fraction;
  }
}

TEST(LatencyHistogramTest, OneValueIsEveryPercentile) {
  for (const double us : {1.0, 3.0, 77.0, 1e3, 1e6, 6e8}) {
    LatencyHistogram histogram;
    histogram.Record(absl::Microseconds(us));
    for (const double fraction : {1e-9, 0.5, 1.0}) {
      EXPECT_NEAR(Micros(histogram, fraction), us, 0.09 * us) << us;
    }
  }
}

TEST(LatencyHistogramTest, RareSlowCallsShowInTheTailOnly) {
  LatencyHistogram histogram;
  for (int i = 0; i < 990; ++i) histogram.Record(absl::Microseconds(100));
  for (int i = 0; i < 10; ++i) histogram.Record(absl::Milliseconds(100));
  EXPECT_NEAR(Micros(histogram, 0.99), 100, 9);
  EXPECT_NEAR(Micros(histogram, 0.991), 100'000, 9'000);
}

TEST(LatencyHistogramTest, WhatIsOutOfRangeIsCountedAtTheEnds) {
  LatencyHistogram low, high;
  low.Record(-absl::Seconds(1));
  low.Record(absl::ZeroDuration());
  low.Record(absl::Nanoseconds(1));
  EXPECT_EQ(low.count(), 3u);
  EXPECT_NEAR(Micros(low, 1), 1, 0.09);
  high.Record(absl::Hours(1000));
  EXPECT_EQ(high.count(), 1u);
  EXPECT_GT(high.Percentile(1), absl::Minutes(15));
  EXPECT_LT(high.Percentile(1), absl::Minutes(20));
}

TEST(LatencyHistogramTest, CountsOfManyThreadsAreExact) {
  LatencyHistogram histogram;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) histogram.Record(absl::Microseconds(i));
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(histogram.count(), 80'000u);
}

TEST(RpcStatsTest, EveryMethodHasANameOfItsOwn) {
  std::set<std::string> names;
  for (int i = 0; i < static_cast<int>(Method::kCount); ++i) {
    names.emplace(MethodName(static_cast<Method>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Method::kCount));
  EXPECT_EQ(MethodName(Method::kGetAttr), "getattr");
  EXPECT_EQ(MethodName(Method::kRelease), "release");
  EXPECT_EQ(MethodName(Method::kFence), "fence");
}

TEST(RpcStatsTest, TheTotalIsTheSumOfAllMethods) {
  RpcStats stats;
  uint64_t sum = 0;
  for (int i = 0; i < static_cast<int>(Method::kCount); ++i) {
    stats.of(static_cast<Method>(i)).calls = i + 1;
    sum += i + 1;
  }
  EXPECT_EQ(stats.TotalCalls(), sum);
}

}  // namespace
}  // namespace warmfs::rpc
