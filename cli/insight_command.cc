#include "cli/insight_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "fuse/control.h"

namespace warmfs::cli {
namespace {

using nlohmann::json;

struct Place {
  std::string control;
  std::string relative;  // to the mount
};

absl::StatusOr<Place> Find(const std::string& path) {
  const std::string absolute = AbsolutePath(path);
  auto mounted = MountHolding(absolute);
  if (!mounted) {
    return absl::NotFoundError(
        fmt::format("{} is not in a mount of warmfs", path));
  }
  auto control = fuse::ControlPath(mounted->mountpoint);
  if (!control.ok()) return control.status();
  std::string relative = absolute.substr(mounted->mountpoint.size());
  if (relative.starts_with('/')) relative.erase(0, 1);
  return Place{*std::move(control), std::move(relative)};
}

int AskAndPrint(const std::string& path, json request, bool with_path,
                const fuse::Emit& print) {
  auto place = Find(path);
  if (!place.ok()) return Fail("warmfs", place.status());
  if (with_path) request["path"] = place->relative;
  const absl::Status status = fuse::Ask(place->control, request, print);
  return status.ok() ? 0 : Fail("warmfs", status);
}

std::string Joined(const json& words) {
  std::string text;
  for (const json& word : words) {
    text += (text.empty() ? "" : ",") + word.get<std::string>();
  }
  return text.empty() ? "-" : text;
}

void PrintEvent(const json& e) {
  fmt::print(
      "{:>8}  {:>7} us  {:<12} {}{}  changed {}  dropped {}{}{}\n",
      e["sequence"].get<uint64_t>(), e["delay_us"].get<int64_t>(),
      e["kind"].get<std::string>(), e["path"].get<std::string>(),
      e["directory"].get<bool>() ? "/" : "", Joined(e["changed"]),
      Joined(e["dropped"]),
      e.contains("raised") ? "  raised " + e["raised"].get<std::string>() : "",
      e["own"].get<bool>() ? "  (own)" : "");
}

}  // namespace

int SyncCommand(const std::string& path, double timeout_s) {
  return AskAndPrint(path, {{"command", "sync"}, {"timeout_s", timeout_s}},
                     false, [](const json&) {});
}

int EventsCommand(const std::string& path, bool as_json) {
  return AskAndPrint(path, {{"command", "events"}}, false, [&](const json& e) {
    if (e.empty()) return;  // a sign of life
    if (as_json) {
      fmt::print("{}\n", e.dump());
    } else if (e.contains("missed")) {
      fmt::print("{} events went by unseen\n", e["missed"].get<uint64_t>());
    } else if (e.contains("sequence")) {
      PrintEvent(e);
    }
    fflush(stdout);
  });
}

int WhyCommand(const std::string& path, bool as_json) {
  return AskAndPrint(path, {{"command", "why"}}, true, [&](const json& why) {
    if (as_json) {
      fmt::print("{}\n", why.dump(2));
      return;
    }
    for (const auto& [name, value] : why.items()) {
      fmt::print("{:<14} {}\n", name,
                 value.is_string() ? value.get<std::string>() : value.dump());
    }
  });
}

}  // namespace warmfs::cli
