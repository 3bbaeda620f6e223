// The commands of the control socket that look into freshness: sync, events and
// why.

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "absl/time/clock.h"
#include "fuse/errors.h"
#include "fuse/mount.h"
#include "rpc/channel.h"

namespace warmfs::fuse {
namespace {

using nlohmann::json;

constexpr char kNoJournal[] =
    "this mount checks by its ttl: the host has no journal, or the mount was "
    "made with freshness=check";

json VersionJson(const Attr& attr) {
  return {{"id", attr.id.ToString()},
          {"size", attr.size},
          {"mtime", fmt::format("{}.{:09}", attr.mtime.sec, attr.mtime.nsec)},
          {"ctime", fmt::format("{}.{:09}", attr.ctime.sec, attr.ctime.nsec)},
          {"mode", fmt::format("{:o}", attr.mode)}};
}

// What the client knows of a path, asking nobody.
struct Traced {
  std::string found = "yes";  // or "no", or "unknown"
  FileId id;
  FileId dir;  // the last directory on the way
  std::string dir_path;
};

Traced Trace(FileSystem& fs, std::string_view path) {
  Traced at;
  at.id = at.dir = fs.tree().Look(kRootNode)->attr.id;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path = slash == path.npos ? "" : path.substr(slash + 1);
    if (name.empty()) continue;
    at.dir = at.id;
    const cache::LookupResult found = fs.cache().Lookup(at.dir, name);
    at.id = found.id;
    if (found.presence != cache::Presence::kPresent) {
      const bool absent = found.presence == cache::Presence::kAbsent;
      at.found = absent && path.empty() ? "no" : "unknown";
      return at;
    }
    if (!path.empty()) {
      at.dir_path += (at.dir_path.empty() ? "" : "/") + std::string(name);
    }
  }
  return at;
}

std::string LeaseOf(FileSystem& fs, const FileId& dir) {
  const auto view = fs.tree().Look(fs.tree().Find(dir));
  if (view && view->leased) return fs.journal() != 0 ? "held" : "suspended";
  if (view && view->doubted) return "in doubt: it is listed again before use";
  const auto record = fs.cache().GetNode(dir);
  const bool kept = record && record->listing_complete && record->lease != 0 &&
                    record->lease == fs.journal();
  return kept ? "held" : "none";
}

}  // namespace

absl::StatusOr<JournalPos> Mount::Fence(absl::Duration limit) {
  if (follower_ == nullptr) return absl::FailedPreconditionError(kNoJournal);
  const absl::Time deadline = absl::Now() + limit;
  rpc::Channel host(share_->remote());
  absl::StatusOr<JournalPos> pos = follower_->Fence(host, deadline);
  if (!pos.ok()) return pos;
  if (!injector_->AwaitDelivered(pos->sequence, deadline)) {
    return absl::DeadlineExceededError(
        "not all events were delivered within the time given");
  }
  return pos;
}

void Mount::HandleSync(const json& request, const Emit& emit) {
  const auto pos = Fence(absl::Seconds(request.value("timeout_s", 30.0)));
  if (!pos.ok()) return emit({{"error", pos.status().message()}});
  emit({{"done", true},
        {"journal", fmt::format("{:016x}", pos->journal_id)},
        {"sequence", pos->sequence}});
}

std::string Mount::PathOf(const Event& event) {
  const Tree& tree = share_->fs().tree();
  const FileId& at = event.dir.IsNull() ? event.entry.id : event.dir;
  const auto view = tree.Look(tree.Find(at));
  // The directory may be known to the cache alone, which knows no paths.
  std::string path = view ? view->ref.path : at.ToString();
  if (event.name.empty()) return path;
  return path.empty() ? event.name : path + "/" + event.name;
}

void Mount::HandleEvents(const Emit& emit) {
  constexpr absl::Duration kSignOfLife = absl::Seconds(1);
  if (follower_ == nullptr) return emit({{"error", kNoJournal}});
  // A line at once, so that a reader knows from when on it sees all.
  uint64_t last = event_log_.last();
  emit({{"following", true}});
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (stop_) break;
    }
    const auto entries = event_log_.After(last, kSignOfLife);
    if (entries.empty()) emit(json::object());
    for (const EventLog::Entry& entry : entries) {
      if (entry.number > last + 1) {
        emit({{"missed", entry.number - last - 1}});
      }
      last = entry.number;
      emit(ToJson(entry, PathOf(entry.event)));
    }
  }
  emit({{"done", true}});
}

void Mount::HandleWhy(const json& request, const Emit& emit) {
  const std::string path = request.value("path", "");
  FileSystem& fs = share_->fs();
  const Traced at = Trace(fs, path);
  json out = {{"path", path}, {"found", at.found}};
  out["directory"] = {{"path", at.dir_path}, {"lease", LeaseOf(fs, at.dir)}};
  if (at.found == "yes") {
    const NodeId node = fs.tree().Find(at.id);
    const auto view = fs.tree().Look(node);
    const auto record = fs.cache().GetNode(at.id);
    const Attr attr = view ? view->attr : record ? record->attr : Attr();
    const uint64_t cached = fs.cache().ContentBytes(at.id);
    out["version"] = VersionJson(attr);
    out["kernel_holds"] = node != 0;
    out["cached_bytes"] = cached;
    if (attr.IsDirectory()) out["lease"] = LeaseOf(fs, at.id);
    const bool fresh =
        view ? view->attr_fresh_at == kForever : LeaseOf(fs, at.dir) == "held";
    out["stat_costs"] = fresh ? "nothing: its directory is leased"
                              : "at most one list of its directory";
    if (attr.IsRegular()) {
      out["read_costs"] =
          cached >= attr.size
              ? "nothing: its content is in the cache, or the "
                "hashes are compared if it is of another version"
              : "reads of what is not in the cache";
    }
  }
  for (const FileId& id : {at.id, at.dir}) {
    const auto last = id.IsNull() ? std::nullopt : event_log_.LastChange(id);
    if (!last) continue;
    out["last_change"] = ToJson(*last, PathOf(last->event));
    break;
  }
  emit(out);
  emit({{"done", true}});
}

}  // namespace warmfs::fuse
