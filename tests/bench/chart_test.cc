#include "bench/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace warmfs::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Report OneBar(double ratio) {
  Report report;
  report.directory = "/src/<a> & \"b\"";
  report.results.Of(Op::kWalk, "warmfs", State::kCold).samples = {
      {.run = 1, .seconds = ratio, .native_seconds = 1}};
  return report;
}

TEST(Chart, NeedsNothingFromElsewhere) {
  const std::string page = FormatChart(OneBar(3));
  EXPECT_THAT(page, Not(HasSubstr("http")));
  EXPECT_THAT(page, Not(HasSubstr("url(")));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
}

TEST(Chart, NamesOfDirectoriesAreText) {
  const std::string page = FormatChart(OneBar(3));
  EXPECT_THAT(page, HasSubstr("/src/&lt;a&gt; &amp; &quot;b&quot;"));
  EXPECT_THAT(page, Not(HasSubstr("<a>")));
}

TEST(Chart, ScaleReachesBeyondEveryBar) {
  EXPECT_THAT(FormatChart(OneBar(250)), HasSubstr(">1000x</text>"));
  EXPECT_THAT(FormatChart(OneBar(250)), Not(HasSubstr(">0.1x</text>")));
  EXPECT_THAT(FormatChart(OneBar(0.9)), Not(HasSubstr(">0.1x</text>")));
  EXPECT_THAT(FormatChart(OneBar(0.2)), HasSubstr(">0.1x</text>"));
}

TEST(Chart, WithoutResultsItIsStillAPage) {
  EXPECT_THAT(FormatChart({}), HasSubstr("</html>"));
}

}  // namespace
}  // namespace warmfs::bench
