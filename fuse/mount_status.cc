// What `warmfs status` shows of a mount.

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "absl/time/clock.h"
#include "cache/inspector.h"
#include "fuse/mount.h"

namespace warmfs::fuse {
namespace {

using nlohmann::json;

json LatencyJson(const rpc::LatencyHistogram& h) {
  return {{"p50_us", absl::ToDoubleMicroseconds(h.Percentile(0.50))},
          {"p90_us", absl::ToDoubleMicroseconds(h.Percentile(0.90))},
          {"p99_us", absl::ToDoubleMicroseconds(h.Percentile(0.99))}};
}

json RpcJson(rpc::Remote& remote) {
  const rpc::RpcStats& stats = remote.stats();
  json methods = json::object();
  for (size_t i = 0; i < stats.methods.size(); ++i) {
    const uint64_t calls = stats.methods[i].calls;
    if (calls == 0) continue;
    json method = LatencyJson(stats.methods[i].latency);
    method["calls"] = calls;
    methods[std::string(rpc::MethodName(static_cast<rpc::Method>(i)))] = method;
  }
  return {{"calls", stats.TotalCalls()},
          {"bytes_read", stats.bytes_read.load()},
          {"bytes_written", stats.bytes_written.load()},
          {"reconnects", stats.reconnects.load()},
          {"failures", stats.failures.load()},
          {"latency", LatencyJson(stats.latency)},
          {"methods", methods}};
}

json RequestsJson(const RequestCounts& requests) {
  json by_kind = json::object();
  for (size_t i = 0; i < kOpNames.size(); ++i) {
    const uint64_t count = requests.of(static_cast<Op>(i));
    if (count != 0) by_kind[std::string(kOpNames[i])] = count;
  }
  return {{"total", requests.Total()}, {"by_kind", by_kind}};
}

json InjectionsJson(const Injector& injector) {
  const InjectorCounters counters = injector.counters();
  json raised = json::object(), failed = json::object();
  for (size_t i = 0; i < counters.raised.size(); ++i) {
    if (counters.raised[i] == 0) continue;
    raised[std::string(InjectionName(static_cast<InjectionKind>(i)))] =
        counters.raised[i];
  }
  for (const auto& [error, count] : counters.failed) {
    failed[strerrorname_np(error)] = count;
  }
  return {{"queued", injector.depth()},  {"raised", raised},
          {"unseen", counters.unseen},   {"dropped", counters.dropped},
          {"overdue", counters.overdue}, {"failed", failed}};
}

json JournalJson(const Follower* follower, FileSystem& fs) {
  if (follower == nullptr) return nullptr;
  const Follower::Counters c = follower->counters();
  return {{"following", c.following},
          {"journal", fmt::format("{:016x}", c.cursor.journal_id)},
          {"sequence", c.cursor.sequence},
          {"leases", fs.tree().leases()},
          {"events", c.events},
          {"own", c.own},
          {"epochs", c.epochs},
          {"to_revalidate", c.to_revalidate},
          {"host",
           {{"watches", c.watches},
            {"refused", c.refused},
            {"overflows", c.overflows}}},
          {"lag", LatencyJson(follower->lag())}};
}

json LockJson(const FileSystem& fs, const HeldLock& lock) {
  static constexpr const char* kKinds[] = {"fcntl", "flock"};
  static constexpr const char* kTypes[] = {"read", "write"};
  const auto view = fs.tree().Look(lock.node);
  const LockRequest& r = lock.request;
  return {{"path", view && !view->placeless ? view->ref.path : "(gone)"},
          {"kind", kKinds[static_cast<size_t>(r.kind)]},
          {"type", kTypes[static_cast<size_t>(r.type)]},
          {"start", r.start},
          {"length", r.length},
          {"error", strerror(lock.error)}};
}

json LocksJson(const FileSystem& fs, const HostLocks& locks) {
  json lost = json::array();
  for (const HeldLock& lock : locks.held().lost()) {
    lost.push_back(LockJson(fs, lock));
  }
  return {{"held", locks.held().size()},
          {"restored", locks.restored()},
          {"lost", lost}};
}

json CacheJson(cache::Cache& cache) {
  json out;
  cache::Inspector(cache).Execute({{"command", "info"}}, [&](const json& line) {
    if (!line.contains("done")) out = line;
  });
  return out;
}

}  // namespace

json Mount::Status() {
  rpc::Remote& remote = share_->remote();
  FileSystem& fs = share_->fs();
  const ExportInfo info = *remote.info();
  // A channel that is idle has not noticed yet that the host went away.
  const bool connected = remote.connected() > 0 && remote.trouble().empty();
  return {
      {"mountpoint", options_.mountpoint},
      {"source", options_.remote.endpoint},
      {"export", info.name},
      {"pid", getpid()},
      {"uptime_s", absl::ToDoubleSeconds(absl::Now() - started_)},
      {"read_only", options_.read_only || info.read_only},
      {"freshness", follower_ == nullptr ? "check" : "lease"},
      {"journal", JournalJson(follower_.get(), fs)},
      {"ttl_s", absl::ToDoubleSeconds(options_.ttl)},
      {"locks", options_.host_locks ? "host" : "vm"},
      {"host_locks", LocksJson(fs, share_->locks())},
      {"connection",
       {{"state", connected ? "connected" : "disconnected"},
        {"channels", remote.connected()},
        {"trouble", remote.trouble()}}},
      {"nodes", fs.tree().size()},
      {"node_bytes", fs.tree().memory_bytes()},
      {"reads",
       {{"hits", fs.counters().read_hits.load()},
        {"misses", fs.counters().read_misses.load()}}},
      {"listings",
       {{"confirmed", fs.counters().listings_confirmed.load()},
        {"fetched", fs.counters().listings_fetched.load()}}},
      {"invalidations",
       {{"sent", notifier_->sent()}, {"queued", notifier_->queued()}}},
      {"injections", InjectionsJson(*injector_)},
      {"pushed", {{"files", pusher_->files()}, {"bytes", pusher_->bytes()}}},
      {"requests", RequestsJson(session_->requests())},
      {"rpc", RpcJson(remote)},
      {"cache", CacheJson(share_->cache())}};
}

}  // namespace warmfs::fuse
