#include <fmt/format.h>

#include <algorithm>

#include "bench/report.h"
#include "bench/text_table.h"
#include "cli/common.h"

namespace warmfs::bench {
namespace {

constexpr size_t kMethodsShown = 3;

std::string CountOrDash(std::optional<double> count) {
  return count ? FormatCount(*count) : "-";
}

std::string Methods(const Series& series) {
  std::vector<std::pair<uint64_t, std::string>> sorted;
  for (const auto& [name, count] : series.TypicalMethods()) {
    sorted.emplace_back(count, name);
  }
  std::sort(sorted.rbegin(), sorted.rend());
  std::string text;
  for (size_t i = 0; i < sorted.size() && i < kMethodsShown; ++i) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", sorted[i].second,
                        FormatCount(static_cast<double>(sorted[i].first)));
  }
  return text + (sorted.size() > kMethodsShown ? ", ..." : "");
}

std::string Label(const Series& series) {
  return fmt::format("{} {}", series.system, Name(series.state));
}

void AddSeries(const Series& series, TextTable& table) {
  if (!series.samples.empty()) {
    const Ratio ratio = series.ToNative();
    table.Add(
        {"", Label(series), FormatTime(series.MedianSeconds()),
         FormatRatio(ratio.of_medians),
         fmt::format("{} - {}", FormatRatio(ratio.min), FormatRatio(ratio.max)),
         CountOrDash(series.MedianRequests()), CountOrDash(series.MedianRpcs()),
         Methods(series)});
  }
}

std::string Head(const Report& r) {
  return fmt::format(
      "{} ({}): {} files in {} directories, {}\n"
      "{}, {} CPUs, {}; cache on {}, ttl {} s{}; medians of {} runs\n\n",
      r.directory, r.directory_kind, FormatCount(double(r.files)),
      FormatCount(double(r.directories)), cli::FormatSize(r.bytes),
      r.machine.kernel, r.machine.cpus, cli::FormatSize(r.machine.memory_bytes),
      r.cache_kind, r.ttl_s,
      r.mount_options.empty() ? "" : " (-o " + r.mount_options + ")", r.runs);
}

void AddOp(const Report& report, Op op, TextTable& table) {
  const auto all = SeriesOf(report, op);
  if (all.empty()) return;
  const double native = report.results.NativeSeconds(op);
  table.Add({Name(op), "native", native > 0 ? FormatTime(native) : "-"});
  for (const Series* series : all) AddSeries(*series, table);
  table.AddGap();
}

std::vector<std::string> EditRow(const char* seen_by, const std::string& system,
                                 const std::vector<double>& seconds) {
  return {seen_by,
          system,
          FormatTime(Percentile(seconds, 0.5)),
          FormatTime(Percentile(seconds, 0.99)),
          FormatTime(Percentile(seconds, 1)),
          FormatCount(double(seconds.size()))};
}

std::string Edits(const Report& report) {
  using enum TextTable::Align;
  if (report.results.edits.empty()) return "";
  TextTable table({{"edit seen by", kLeft},
                   {"system", kLeft},
                   {"p50", kRight},
                   {"p99", kRight},
                   {"max", kRight},
                   {"edits", kRight}});
  for (const EditSeries& one : report.results.edits) {
    table.Add(EditRow("reading again", one.system, one.visible_s));
  }
  for (const EditSeries& one : report.results.edits) {
    table.Add(EditRow("inotify", one.system, one.event_s));
  }
  std::string text = table.Format() + "\n";
  for (const EditSeries& one : report.results.edits) {
    if (one.too_early == 0) continue;
    text += fmt::format(
        "edit: {} events of {} came before the new bytes could be read.\n",
        FormatCount(double(one.too_early)), one.system);
  }
  return text;
}

std::string Failures(const Report& report) {
  std::string text;
  for (const auto& [op, why] : report.results.left_out) {
    text += fmt::format("{}: left out: {}\n", Name(op), why);
  }
  for (const Series& series : report.results.series) {
    if (series.missing.empty()) continue;
    text += fmt::format("{}, {}: not measured: {}\n", Name(series.op),
                        Label(series), series.missing);
  }
  return text;
}

std::string Notes(const Report& r) {
  std::string text;
  if (r.unreadable > 0) {
    text += fmt::format("{} files cannot be read and were left out.\n",
                        r.unreadable);
  }
  if (!r.caches_dropped) {
    text +=
        "The kernel's caches were not dropped (that needs root): remounted "
        "found the cache's own files in memory.\n";
  }
  for (const std::string& note : r.results.notes) text += note + "\n";
  return text +
         fmt::format(
             "native: in the page cache. Ratios are to the native time beside "
             "each, with the extremes of single pairs.\nrequests: kernel to "
             "client. RPCs: client to host. With a ttl of {} s, what is older "
             "is checked with the host again.\n",
             r.ttl_s);
}

}  // namespace

std::vector<const Series*> SeriesOf(const Report& report, Op op) {
  std::vector<const Series*> all;
  for (const Series& series : report.results.series) {
    if (series.op == op) all.push_back(&series);
  }
  // Systems stay in the order in which they were measured.
  std::stable_partition(all.begin(), all.end(), [](const Series* series) {
    return series->system == "native";
  });
  return all;
}

std::string FormatText(const Report& report) {
  using enum TextTable::Align;
  TextTable table({{"operation", kLeft},
                   {"state", kLeft},
                   {"time", kRight},
                   {"to native", kRight},
                   {"of pairs", kRight},
                   {"requests", kRight},
                   {"RPCs", kRight},
                   {"mostly", kLeft}});
  for (const auto& [op, named] : Ops()) AddOp(report, op, table);
  const std::string series =
      report.results.series.empty() ? "" : table.Format();
  return Head(report) + series + Edits(report) + Failures(report) +
         Notes(report);
}

}  // namespace warmfs::bench
