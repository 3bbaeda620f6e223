#include "bench/report.h"

namespace warmfs::bench {
namespace {

using nlohmann::json;

json CountsJson(const Counts& counts) {
  return {{"requests", counts.requests},
          {"rpcs", counts.rpcs},
          {"requests_by_kind", counts.requests_by_kind},
          {"rpcs_by_method", counts.rpcs_by_method}};
}

json SampleJson(const Sample& sample) {
  json result = {{"run", sample.run},
                 {"seconds", sample.seconds},
                 {"native_seconds", sample.native_seconds}};
  if (sample.counts) result["counts"] = CountsJson(*sample.counts);
  return result;
}

json OrNull(std::optional<double> value) {
  return value ? json(*value) : json(nullptr);
}

json SeriesJson(const Series& series) {
  json samples = json::array();
  for (const Sample& sample : series.samples) {
    samples.push_back(SampleJson(sample));
  }
  json result = {{"operation", Name(series.op)},
                 {"system", series.system},
                 {"state", Name(series.state)},
                 {"samples", samples}};
  if (!series.missing.empty()) result["missing"] = series.missing;
  if (series.samples.empty()) return result;
  const Ratio ratio = series.ToNative();
  result["median_seconds"] = series.MedianSeconds();
  result["ratio_to_native"] = {
      {"of_medians", ratio.of_medians}, {"min", ratio.min}, {"max", ratio.max}};
  result["median_requests"] = OrNull(series.MedianRequests());
  result["median_rpcs"] = OrNull(series.MedianRpcs());
  return result;
}

json TimesJson(const std::vector<double>& seconds) {
  return {{"p50_seconds", Percentile(seconds, 0.5)},
          {"p99_seconds", Percentile(seconds, 0.99)},
          {"max_seconds", Percentile(seconds, 1)},
          {"seconds", seconds}};
}

json EditsJson(const EditSeries& series) {
  return {{"system", series.system},
          {"visible", TimesJson(series.visible_s)},
          {"event", TimesJson(series.event_s)},
          {"events_too_early", series.too_early}};
}

json MachineJson(const Machine& machine) {
  return {{"kernel", machine.kernel},
          {"architecture", machine.architecture},
          {"cpu", machine.cpu},
          {"cpus", machine.cpus},
          {"memory_bytes", machine.memory_bytes}};
}

}  // namespace

json FormatJson(const Report& r) {
  json series = json::array();
  for (const Series& one : r.results.series) series.push_back(SeriesJson(one));
  json edits = json::array();
  for (const auto& one : r.results.edits) edits.push_back(EditsJson(one));
  json native = json::object();
  for (const auto& [op, named] : Ops()) {
    const double seconds = r.results.NativeSeconds(op);
    if (seconds > 0) native[Name(op)] = seconds;
  }
  json left_out = json::object();
  for (const auto& [op, why] : r.results.left_out) left_out[Name(op)] = why;
  return {{"version", WARMFS_VERSION},
          {"started", r.started},
          {"machine", MachineJson(r.machine)},
          {"directory",
           {{"path", r.directory},
            {"file_system", r.directory_kind},
            {"files", r.files},
            {"directories", r.directories},
            {"bytes", r.bytes},
            {"unreadable", r.unreadable}}},
          {"workload",
           {{"large_bytes", r.large_bytes},
            {"random_reads", r.random_reads},
            {"small_files", r.small_files},
            {"edits", r.edits}}},
          {"cache_file_system", r.cache_kind},
          {"mount_options", r.mount_options},
          {"ttl_s", r.ttl_s},
          {"runs", r.runs},
          {"kernel_caches_dropped", r.caches_dropped},
          {"native_median_seconds", native},
          {"series", series},
          {"edits", edits},
          {"left_out", left_out},
          {"notes", r.results.notes}};
}

}  // namespace warmfs::bench
