// The ratios to native as a bar chart in a page of HTML that needs nothing from
// elsewhere. Logarithmic, from 1 (as fast as native) to both sides. Pure.

#ifndef WARMFS_BENCH_CHART_H_
#define WARMFS_BENCH_CHART_H_

#include <string>

#include "bench/report.h"

namespace warmfs::bench {

std::string FormatChart(const Report& report);

// For text between tags and in attributes.
std::string EscapeHtml(const std::string& text);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_CHART_H_
