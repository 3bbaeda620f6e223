#include "bench/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bench/text_table.h"
#include "cli/common.h"

namespace warmfs::bench {
namespace {

constexpr double kWidth = 960;
constexpr double kLabelWidth = 190;  // left of the plot: what each bar is
constexpr double kValueWidth = 170;  // right of it: room for the figures
constexpr double kBarHeight = 14;
constexpr double kBarStep = 20;
constexpr double kGroupGap = 30;  // its heading stands there
constexpr double kTop = 24;

constexpr char kPage[] = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>warmfs-bench: {directory}</title>
<style>
:root {{ color-scheme: light dark; --page: #fff; --text: #1c1e21; --quiet: #5c6370; --line: #d9dce1;
  --native: #8a919c; --cold: #1f5fbf; --remounted: #2f8fd0; --warm: #12805c; --sshfs: #b4541a; --bindfs: #7d4fb3; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #16181c; --text: #e6e8eb; --quiet: #a3abb8;
  --line: #363b44; --native: #7f8793; --cold: #5b93e6; --remounted: #62b6ee; --warm: #3fbf92; --sshfs: #e08a4e;
  --bindfs: #b08ae0; }} }}
body {{ margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.3rem; margin: 0; }}
p {{ color: var(--quiet); margin: .3rem 0 1rem; }}
svg {{ width: 100%; height: auto; }}
text {{ font: 12px system-ui, sans-serif; fill: var(--text); }}
.heading {{ font-weight: 600; font-size: 13px; }}
.quiet {{ fill: var(--quiet); }}
.grid {{ stroke: var(--line); }}
.one {{ stroke: var(--text); }}
.native {{ fill: var(--native); }} .cold {{ fill: var(--cold); }} .remounted {{ fill: var(--remounted); }}
.kernel-warm {{ fill: var(--warm); }} .sshfs {{ fill: var(--sshfs); }} .bindfs {{ fill: var(--bindfs); }}
</style>
</head>
<body>
<h1>How many times the native time it took</h1>
<p>{summary}</p>
{chart}
<p>Medians of {runs} runs. The line at 1x is the same directory without a mount, in the page cache; shorter bars are better,
and the scale is logarithmic. Beside each bar: ratio, time, and RPCs to the host where they are counted.</p>
</body>
</html>
)";

struct Scale {
  double low;
  double high;
  double Of(double ratio) const {
    const double width = kWidth - kLabelWidth - kValueWidth;
    return kLabelWidth + width * std::log(ratio / low) / std::log(high / low);
  }
};

// To the next power of ten on both sides, or to a half if none was much faster
// than native; 1 is always within.
Scale ScaleOf(const Report& report) {
  double low = 1;
  double high = 10;
  for (const Series& series : report.results.series) {
    const double ratio = series.ToNative().of_medians;
    if (ratio <= 0) continue;
    while (ratio < low) low = low == 1 ? 0.5 : low == 0.5 ? 0.1 : low / 10;
    while (ratio > high) high *= 10;
  }
  return {low, high};
}

std::string ClassOf(const Series& series) {
  return series.system == "warmfs" ? Name(series.state) : series.system;
}

std::string ValueOf(const Series& series, double ratio) {
  std::string text = fmt::format("{}  {}", FormatRatio(ratio),
                                 FormatTime(series.MedianSeconds()));
  const auto rpcs = series.MedianRpcs();
  return rpcs ? fmt::format("{}  {} RPCs", text, FormatCount(*rpcs)) : text;
}

std::string Text(double x, double y, const char* classes, const char* anchor,
                 const std::string& text) {
  return fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\" text-anchor=\"{}\">{}"
      "</text>\n",
      x, y, classes, anchor, EscapeHtml(text));
}

std::string Bar(const Series& series, const Scale& scale, double y) {
  const double ratio = series.ToNative().of_medians;
  const double from = scale.Of(std::min(ratio, 1.0));
  const double to = scale.Of(std::max(ratio, 1.0));
  const double base = y + kBarHeight - 3;
  // At least a sliver, or what equals native would look like a gap.
  return Text(kLabelWidth - 8, base, "", "end",
              fmt::format("{} {}", series.system, Name(series.state))) +
         fmt::format(
             "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
             "height=\"{}\" rx=\"2\" class=\"{}\"/>\n",
             from, y, std::max(to - from, 2.0), kBarHeight, ClassOf(series)) +
         Text(to + 8, base, "quiet", "start", ValueOf(series, ratio));
}

std::string Grid(const Scale& scale, double bottom) {
  std::string svg;
  const double first = std::pow(10, std::ceil(std::log10(scale.low) - 1e-9));
  for (double at = first; at <= scale.high * 1.001; at *= 10) {
    const double x = scale.Of(at);
    const bool one = std::abs(at - 1) < 1e-9;
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2:.1f}\" "
        "class=\"{3}\"/>\n",
        x, kTop - 6, bottom, one ? "one" : "grid");
    svg += Text(x, kTop - 10, "quiet", "middle", fmt::format("{:g}x", at));
  }
  return svg;
}

std::string Svg(const Report& report) {
  const Scale scale = ScaleOf(report);
  std::string bars;
  double y = kTop;
  for (const auto& [op, named] : Ops()) {
    std::string group;
    double next = y + kGroupGap;
    for (const Series* series : SeriesOf(report, op)) {
      if (series->samples.empty()) continue;
      group += Bar(*series, scale, next);
      next += kBarStep;
    }
    if (group.empty()) continue;
    bars += Text(0, y + kGroupGap - 8, "heading", "start",
                 fmt::format("{}: {}", named.name, named.help));
    bars += group;
    y = next;
  }
  return fmt::format(
      "<svg viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-label=\"Ratios to "
      "native for each operation and state\">\n{}{}</svg>",
      kWidth, y + 10, Grid(scale, y), bars);
}

}  // namespace

std::string EscapeHtml(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string FormatChart(const Report& r) {
  const std::string summary = fmt::format(
      "{}: {} files in {} directories, {}. {}, {} CPUs, {}.", r.directory,
      FormatCount(double(r.files)), FormatCount(double(r.directories)),
      cli::FormatSize(r.bytes), r.machine.kernel, r.machine.cpus, r.started);
  return fmt::format(kPage, fmt::arg("directory", EscapeHtml(r.directory)),
                     fmt::arg("summary", EscapeHtml(summary)),
                     fmt::arg("chart", Svg(r)), fmt::arg("runs", r.runs));
}

}  // namespace warmfs::bench
