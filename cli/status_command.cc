#include "cli/status_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/common.h"
#include "fuse/control.h"

namespace warmfs::cli {
namespace {

using nlohmann::json;

double Percent(uint64_t part, uint64_t rest) {
  return part + rest == 0 ? 0 : 100.0 * part / (part + rest);
}

std::string Freshness(const json& s) {
  const json& journal = s["journal"];
  const std::string check =
      fmt::format("checked after {} s", s["ttl_s"].get<double>());
  if (!journal.is_object()) return check;
  if (!journal["following"].get<bool>()) {
    return check + ": the host's journal is not followed just now";
  }
  const uint64_t refused = journal["host"]["refused"];
  std::string text =
      fmt::format("{} leases", journal["leases"].get<uint64_t>());
  if (refused != 0) {
    text += fmt::format(
        ", {} REFUSED by the host (its watches are used up; "
        "those directories are {})",
        refused, check);
  }
  return text;
}

void PrintJournal(const json& journal, const json& injections) {
  uint64_t raised = 0;
  for (const json& count : injections["raised"])
    raised += count.get<uint64_t>();
  fmt::print(
      "  journal     {} events ({} of our own), {} raised here, {} "
      "dropped; {} epochs, {} overflows, {} directories to check\n",
      journal["events"].get<uint64_t>(), journal["own"].get<uint64_t>(), raised,
      injections["dropped"].get<uint64_t>(), journal["epochs"].get<uint64_t>(),
      journal["host"]["overflows"].get<uint64_t>(),
      journal["to_revalidate"].get<uint64_t>());
  fmt::print(
      "  lag         p50 {:.0f} us, p99 {:.0f} us from the host's "
      "change to here\n",
      journal["lag"]["p50_us"].get<double>(),
      journal["lag"]["p99_us"].get<double>());
}

// A process works on in the belief that it holds these.
void PrintLostLocks(const json& lost) {
  if (lost.empty()) return;
  fmt::print("  LOST LOCKS  {}: the host does not hold them any more\n",
             lost.size());
  for (const json& lock : lost) {
    fmt::print("              {} {} from {} of {}: {}\n",
               lock["kind"].get<std::string>(), lock["type"].get<std::string>(),
               lock["start"].get<uint64_t>(), lock["path"].get<std::string>(),
               lock["error"].get<std::string>());
  }
}

void PrintOne(const json& s) {
  const json& cache = s["cache"];
  const json& rpc = s["rpc"];
  const json& reads = s["reads"];
  const json& listings = s["listings"];
  fmt::print("{} from {} (export {}), pid {}\n",
             s["mountpoint"].get<std::string>(), s["source"].get<std::string>(),
             s["export"].get<std::string>(), s["pid"].get<int>());
  const std::string trouble = s["connection"]["trouble"];
  fmt::print("  host        {}{}{}\n",
             s["connection"]["state"].get<std::string>(),
             trouble.empty() ? "" : ": ", trouble);
  fmt::print("  freshness   {}, locks on the {}, {}\n", Freshness(s),
             s["locks"].get<std::string>(),
             s["read_only"].get<bool>() ? "read only" : "read and write");
  if (s["journal"].is_object()) PrintJournal(s["journal"], s["injections"]);
  PrintLostLocks(s["host_locks"]["lost"]);
  fmt::print("  reads       {:.1f} % from the cache ({} of {})\n",
             Percent(reads["hits"], reads["misses"]),
             reads["hits"].get<uint64_t>(),
             reads["hits"].get<uint64_t>() + reads["misses"].get<uint64_t>());
  fmt::print("  listings    {} confirmed, {} fetched\n",
             listings["confirmed"].get<uint64_t>(),
             listings["fetched"].get<uint64_t>());
  fmt::print("  requests    {} from the kernel, {} to the host\n",
             s["requests"]["total"].get<uint64_t>(),
             rpc["calls"].get<uint64_t>());
  fmt::print(
      "  latency     p50 {:.0f} us, p90 {:.0f} us, p99 {:.0f} us; {} "
      "reconnects, {} failures\n",
      rpc["latency"]["p50_us"].get<double>(),
      rpc["latency"]["p90_us"].get<double>(),
      rpc["latency"]["p99_us"].get<double>(), rpc["reconnects"].get<uint64_t>(),
      rpc["failures"].get<uint64_t>());
  fmt::print("  cache       {} of {} in {}{}\n",
             FormatSize(cache["content_bytes"]), FormatSize(cache["max_bytes"]),
             cache["directory"].get<std::string>(),
             cache["persistent"].get<bool>()
                 ? ""
                 : ", IN MEMORY ONLY: " + cache["reason"].get<std::string>());
  fmt::print("  nodes       {} known to the kernel ({})\n\n",
             s["nodes"].get<uint64_t>(), FormatSize(s["node_bytes"]));
}

}  // namespace

int StatusCommand(const std::string& path, bool as_json) {
  std::vector<std::string> controls = fuse::ControlPaths();
  if (!path.empty()) {
    auto mounted = MountHolding(AbsolutePath(path));
    if (!mounted) {
      return Fail("warmfs", absl::NotFoundError(fmt::format(
                                "{} is not in a mount of warmfs", path)));
    }
    auto control = fuse::ControlPath(mounted->mountpoint);
    if (!control.ok()) return Fail("warmfs", control.status());
    controls = {*control};
  }
  json all = json::array();
  absl::Status worst;
  for (const std::string& control : controls) {
    absl::Status status =
        fuse::Ask(control, {{"command", "status"}}, [&](json line) {
          line.erase("done");
          all.push_back(std::move(line));
        });
    if (!status.ok()) worst = status;
  }
  if (as_json) {
    fmt::print("{}\n", all.dump(2));
  } else {
    for (const json& one : all) PrintOne(one);
    if (all.empty() && worst.ok()) fmt::print("nothing is mounted\n");
  }
  return worst.ok() ? 0 : Fail("warmfs", worst);
}

}  // namespace warmfs::cli
