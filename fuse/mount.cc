#include "fuse/mount.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "cache/inspector.h"
#include "fuse/errors.h"
#include "fuse/warmer.h"
#include "rpc/channel.h"

namespace warmfs::fuse {
namespace {

using nlohmann::json;

constexpr absl::Duration kHousekeeping = absl::Seconds(1);

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

json CacheJson(cache::Cache& cache) {
  json out;
  cache::Inspector(cache).Execute(
      {{"command", "info"}}, [&](const json& line) {
        if (!line.contains("done")) out = line;
      });
  return out;
}

}  // namespace

json ToJson(const WarmProgress& p) {
  return {{"directories", p.directories},
          {"files", p.files},
          {"bytes", p.bytes},
          {"bytes_fetched", p.bytes_fetched},
          {"errors", p.errors}};
}

absl::StatusOr<std::unique_ptr<Share>> Share::Open(
    const MountOptions& options, Invalidations invalidations) {
  std::unique_ptr<Share> share(new Share());
  auto remote = rpc::Remote::Create(options.remote);
  if (!remote.ok()) return remote.status();
  share->remote_ = *std::move(remote);
  rpc::Channel host(*share->remote_);
  absl::Status reached = host.Open();
  if (!reached.ok()) return reached;
  const ExportInfo info = *share->remote_->info();
  const AttrReply root = host.GetAttr({.path = "", .id = info.root});
  if (root.error != 0) {
    return absl::UnavailableError(
        fmt::format("the host cannot read the root of export '{}': {}",
                    info.name, strerror(root.error)));
  }
  auto cache = cache::Cache::Open({.directory = options.cache_directory,
                                   .identity = info.identity,
                                   .root = info.root,
                                   .source = options.remote.endpoint,
                                   .export_name = info.name,
                                   .max_bytes = options.cache_bytes});
  if (!cache.ok()) return cache.status();
  share->cache_ = *std::move(cache);
  share->fs_ = std::make_unique<FileSystem>(
      FileSystemOptions{.ttl = options.ttl,
                        .read_only = options.read_only || info.read_only,
                        .host_uid = info.host_uid,
                        .host_gid = info.host_gid,
                        .vm_uid = options.uid,
                        .vm_gid = options.gid},
      *share->cache_, share->clock_, root.attr, std::move(invalidations));
  return share;
}

absl::StatusOr<std::unique_ptr<Mount>> Mount::Start(MountOptions options) {
  std::unique_ptr<Mount> mount(new Mount(std::move(options)));
  Mount* m = mount.get();
  auto control_path = ControlPath(m->options_.mountpoint);
  if (!control_path.ok()) return control_path.status();
  auto share = Share::Open(
      m->options_,
      {.pages = [m](NodeId node) { m->notifier_->Pages(node); },
       .entry = [m](NodeId dir, std::string_view name) {
         m->notifier_->Entry(dir, name);
       }});
  if (!share.ok()) return share.status();
  m->share_ = *std::move(share);
  m->session_ = std::make_unique<Session>(m->options_, m->share_->fs(),
                                          m->share_->remote());
  m->notifier_ = std::make_unique<Notifier>(
      [m](NodeId node) { m->session_->InvalidatePages(node); },
      [m](NodeId dir, const std::string& name) {
        m->session_->InvalidateEntry(dir, name);
      });
  absl::Status mounted = m->session_->Mount();
  if (!mounted.ok()) return mounted;
  m->control_ = std::make_unique<ControlServer>(
      [m](const json& request, const Emit& emit) { m->Handle(request, emit); });
  absl::Status listening = m->control_->Listen(*control_path);
  if (!listening.ok()) return listening;
  m->housekeeper_ = std::thread([m] { m->Housekeep(); });
  return mount;
}

Mount::~Mount() {
  if (control_ != nullptr) control_->Refuse();
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  if (housekeeper_.joinable()) housekeeper_.join();
  notifier_.reset();
  session_.reset();
  // The control socket goes last: while it is there, the cache is in use.
  share_.reset();
  control_.reset();
}

void Mount::Run() {
  session_->Run();
  share_->cache().Flush();
}

void Mount::Unmount() { session_->Unmount(); }

void Mount::Housekeep() {
  rpc::Channel host(share_->remote());
  absl::MutexLock lock(&mu_);
  while (!stop_) {
    mu_.AwaitWithTimeout(absl::Condition(&stop_), kHousekeeping);
    if (stop_) return;
    mu_.Unlock();
    if (share_->fs().forgotten_orphans() > 0) share_->fs().ReleaseOrphans(host);
    mu_.Lock();
  }
}

void Mount::Handle(const json& request, const Emit& emit) {
  const std::string command = request.value("command", "");
  if (command == "status") {
    json status = Status();
    status["done"] = true;
    return emit(status);
  }
  if (command == "warm") return HandleWarm(request, emit);
  cache::Inspector(share_->cache()).Execute(request, emit);
}

void Mount::HandleWarm(const json& request, const Emit& emit) {
  rpc::Channel host(share_->remote());
  absl::Time next = absl::Now();
  WarmProgress last;
  absl::Status status = Warm(share_->fs(), host, request.value("path", ""),
                             [&](const WarmProgress& p) {
                               last = p;
                               if (absl::Now() < next) return true;
                               next = absl::Now() + absl::Milliseconds(100);
                               emit(ToJson(p));
                               return true;
                             });
  if (!status.ok()) {
    return emit({{"error", status.message().empty()
                               ? std::string(strerror(ToErrno(status)))
                               : std::string(status.message())}});
  }
  json end = ToJson(last);
  end["done"] = true;
  emit(end);
}

json Mount::Status() {
  rpc::Remote& remote = share_->remote();
  FileSystem& fs = share_->fs();
  const ExportInfo info = *remote.info();
  // A channel that is idle has not noticed yet that the host went away.
  const bool connected = remote.connected() > 0 && remote.trouble().empty();
  return {{"mountpoint", options_.mountpoint},
          {"source", options_.remote.endpoint},
          {"export", info.name},
          {"pid", getpid()},
          {"uptime_s", absl::ToDoubleSeconds(absl::Now() - started_)},
          {"read_only", options_.read_only || info.read_only},
          {"freshness", "check"},
          {"ttl_s", absl::ToDoubleSeconds(options_.ttl)},
          {"locks", options_.host_locks ? "host" : "vm"},
          {"connection",
           {{"state", connected ? "connected" : "disconnected"},
            {"channels", remote.connected()},
            {"trouble", remote.trouble()}}},
          {"nodes", fs.tree().size()},
          {"node_bytes", fs.tree().memory_bytes()},
          {"reads", {{"hits", fs.read_hits()}, {"misses", fs.read_misses()}}},
          {"listings",
           {{"confirmed", fs.listings_confirmed()},
            {"fetched", fs.listings_fetched()}}},
          {"invalidations", notifier_->sent()},
          {"requests", RequestsJson(session_->requests())},
          {"rpc", RpcJson(remote)},
          {"cache", CacheJson(share_->cache())}};
}

}  // namespace warmfs::fuse
