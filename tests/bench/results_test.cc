#include "bench/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/report.h"

namespace warmfs::bench {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

json StatusOfTwoMounts() {
  return json::parse(R"([
    {"mountpoint": "/other", "requests": {"total": 1, "by_kind": {}},
     "rpc": {"calls": 1, "methods": {}}},
    {"mountpoint": "/here",
     "requests": {"total": 12, "by_kind": {"lookup": 5, "read": 7}},
     "rpc": {"calls": 3, "methods": {"list": {"calls": 3, "p50_us": 1.5}}}}])");
}

Sample Counted(int run, double seconds, uint64_t rpcs) {
  return {.run = run,
          .seconds = seconds,
          .native_seconds = 1,
          .counts = Counts{.requests = 2 * rpcs,
                           .rpcs = rpcs,
                           .rpcs_by_method = {{"list", rpcs}}}};
}

TEST(Results, CountsAreThoseOfTheMountAskedFor) {
  const auto counts = ParseCounts(StatusOfTwoMounts(), "/here");
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->requests, 12);
  EXPECT_EQ(counts->rpcs, 3);
  EXPECT_THAT(counts->rpcs_by_method, ElementsAre(Pair("list", 3)));
}

TEST(Results, AMountThatIsNotThereOrAStatusThatIsNoneIsAnError) {
  EXPECT_TRUE(
      absl::IsNotFound(ParseCounts(StatusOfTwoMounts(), "/gone").status()));
  EXPECT_TRUE(absl::IsInternal(
      ParseCounts(json::parse(R"([{"mountpoint": "/here"}])"), "/here")
          .status()));
  EXPECT_TRUE(absl::IsInternal(ParseCounts(json(5), "/here").status()));
}

TEST(Results, WhatDidNotHappenMeanwhileIsNotListed) {
  const Counts before{.requests = 5, .rpcs_by_method = {{"list", 2}}};
  const Counts after{.requests = 9,
                     .rpcs_by_method = {{"list", 2}, {"read", 4}}};
  EXPECT_EQ((after - before).requests, 4);
  EXPECT_THAT((after - before).rpcs_by_method, ElementsAre(Pair("read", 4)));
}

TEST(Results, ASeriesIsFoundAgain) {
  Results results;
  results.Of(Op::kWalk, "warmfs", State::kCold).samples.push_back({});
  results.Of(Op::kWalk, "warmfs", State::kWarm).samples.push_back({});
  results.Of(Op::kWalk, "warmfs", State::kCold).samples.push_back({});
  ASSERT_EQ(results.series.size(), 2);
  EXPECT_EQ(results.series[0].samples.size(), 2);
}

TEST(Results, MethodsShownAreThoseOfTheMedianRun) {
  Series series{.op = Op::kWalk, .system = "warmfs", .state = State::kCold};
  series.samples = {Counted(1, 3, 900), Counted(2, 4, 36), Counted(3, 5, 35)};
  EXPECT_EQ(series.MedianRpcs(), 36);
  EXPECT_EQ(series.MedianSeconds(), 4);
  EXPECT_THAT(series.TypicalMethods(), ElementsAre(Pair("list", 36)));
}

TEST(Results, ASystemThatDoesNotCountHasNoCounts) {
  Series series{.op = Op::kWalk, .system = "sshfs", .state = State::kCold};
  series.samples = {{.run = 1, .seconds = 1, .native_seconds = 1}};
  EXPECT_EQ(series.MedianRequests(), std::nullopt);
  EXPECT_TRUE(series.TypicalMethods().empty());
}

TEST(Report, TextSaysWhatWasNotMeasuredAndWhy) {
  Report report;
  report.results.left_out.emplace_back(Op::kGitStatus, "not a git work tree");
  report.results.Of(Op::kCreate, "warmfs", State::kCold).missing = "read only";
  report.results.Of(Op::kWalk, "warmfs", State::kCold).samples = {
      Counted(1, 3, 1234)};
  const std::string text = FormatText(report);
  EXPECT_THAT(text, HasSubstr("git-status: left out: not a git work tree\n"));
  EXPECT_THAT(text,
              HasSubstr("create, warmfs cold: not measured: read only\n"));
  EXPECT_THAT(text, HasSubstr("caches were not dropped"));
  EXPECT_THAT(text, HasSubstr("3.00x - 3.00x"));
  EXPECT_THAT(text, HasSubstr("list 1,234\n"));
}

TEST(Report, JsonHasEverySample) {
  Report report;
  report.results.Of(Op::kWalk, "warmfs", State::kCold).samples = {
      Counted(1, 3, 7), Counted(2, 5, 7)};
  const json result = FormatJson(report);
  const json& series = result["series"][0];
  EXPECT_EQ(series["operation"], "walk");
  EXPECT_EQ(series["samples"].size(), 2);
  EXPECT_EQ(series["samples"][1]["seconds"], 5);
  EXPECT_EQ(series["samples"][1]["counts"]["rpcs_by_method"]["list"], 7);
  EXPECT_EQ(series["ratio_to_native"]["of_medians"], 4);
  EXPECT_EQ(result["native_median_seconds"]["walk"], 1);
}

}  // namespace
}  // namespace warmfs::bench
