#include "fuse/mount.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "absl/time/clock.h"
#include "cache/inspector.h"
#include "fuse/errors.h"
#include "fuse/warmer.h"
#include "rpc/channel.h"

namespace warmfs::fuse {
namespace {

using nlohmann::json;

constexpr absl::Duration kHousekeeping = absl::Seconds(1);

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
                        .leases = options.leases && info.journal,
                        .list_many = info.list_many,
                        .read_only = options.read_only || info.read_only,
                        .host_uid = info.host_uid,
                        .host_gid = info.host_gid,
                        .vm_uid = options.uid,
                        .vm_gid = options.gid},
      *share->cache_, share->clock_, root.attr, std::move(invalidations));
  share->locks_ = std::make_unique<HostLocks>(*share->fs_, *share->remote_);
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
       .overtake = [m](NodeId node,
                       uint64_t page) { m->overtaker_->Drop(node, page); },
       .held_up = [m](bool begins) { m->session_->HoldUp(begins); },
       .attr = [m](NodeId node) { m->notifier_->Attr(node); },
       .entry = [m](NodeId dir,
                    std::string_view name) { m->notifier_->Entry(dir, name); },
       .unsure =
           [m](NodeId dir, std::string_view name) {
             return m->notifier_->Pending(dir, name) ||
                    m->session_->plans().Have(dir, name);
           },
       .raise =
           [m](std::vector<Injection> injections) {
             m->Raise(std::move(injections));
           },
       .ahead =
           [m](const Ahead& ahead) {
             m->ahead_fetcher_->Add(ahead);
             if (m->pusher_->Add(ahead)) m->notifier_->WakeForSteps();
           },
       .list_ahead = [m] { m->ahead_fetcher_->ListAhead(); }});
  if (!share.ok()) return share.status();
  m->share_ = *std::move(share);
  m->session_ = std::make_unique<Session>(
      m->options_, m->share_->fs(), m->share_->locks(), m->share_->remote());
  m->ahead_fetcher_ =
      std::make_unique<AheadFetcher>(m->share_->fs(), m->share_->remote());
  m->pusher_ = std::make_unique<Pusher>(
      m->share_->fs(),
      Pusher::Kernel{
          .store =
              [m](NodeId node, std::string_view content) {
                return m->session_->Store(node, content);
              },
          .drop = [m](NodeId node) { m->session_->InvalidatePages(node); }});
  m->notifier_ = std::make_unique<Notifier>(Notifier::Kernel{
      .pages = [m](NodeId node) { m->session_->InvalidatePages(node); },
      .attr = [m](NodeId node) { m->session_->InvalidateAttr(node); },
      .entry =
          [m](NodeId dir, const std::string& name) {
            m->session_->InvalidateEntry(dir, name);
          },
      .step = [m] { return m->pusher_->Step(); }});
  m->overtaker_ = std::make_unique<Overtaker>([m](NodeId node, uint64_t page) {
    // Done by another by now, perhaps.
    if (!m->share_->fs().drops().Pending(node)) return;
    m->session_->InvalidatePages(node, page);
  });
  m->injector_ = std::make_unique<Injector>(
      InjectorOptions{.mountpoint = m->options_.mountpoint}, m->share_->fs(),
      m->session_->plans(), [m](NodeId dir, const std::string& name) {
        m->session_->InvalidateEntry(dir, name);
      });
  absl::Status mounted = m->session_->Mount();
  if (mounted.ok()) mounted = m->injector_->Start();
  if (!mounted.ok()) return mounted;
  m->StartFollowing();
  m->control_ = std::make_unique<ControlServer>(
      [m](const json& request, const Emit& emit) { m->Handle(request, emit); });
  absl::Status listening = m->control_->Listen(*control_path);
  if (!listening.ok()) return listening;
  m->housekeeper_ = std::thread([m] { m->Housekeep(); });
  return mount;
}

Mount::~Mount() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  if (control_ != nullptr) control_->Refuse();
  if (housekeeper_.joinable()) housekeeper_.join();
  if (follower_ != nullptr) follower_->Stop();
  ahead_fetcher_.reset();
  notifier_.reset();  // it calls the others
  overtaker_.reset();
  follower_.reset();
  injector_.reset();
  pusher_.reset();
  session_.reset();
  // The control socket goes last: while it is there, the cache is in use.
  share_.reset();
  control_.reset();
}

void Mount::StartFollowing() {
  // Most hosts answer at once; one that does not must not hold up the mount.
  constexpr absl::Duration kPatience = absl::Seconds(1);
  constexpr absl::Duration kFencePatience = absl::Seconds(30);
  if (!share_->fs().options().leases) return;
  follower_ = std::make_unique<Follower>(
      share_->remote(), share_->fs(), *notifier_,
      [this](const Event& event, const Decision& decision,
             const Injection* raised) {
        event_log_.Note(event, decision, raised);
      });
  follower_->Start();
  follower_->AwaitFollowing(kPatience);
  session_->ServeFences([this] { return Fence(kFencePatience); });
}

void Mount::Raise(std::vector<Injection> injections) {
  if (injections.empty()) return;
  notifier_->After([this, injections = std::move(injections)]() mutable {
    for (Injection& in : injections) injector_->Push(std::move(in));
  });
}

void Mount::Run() {
  session_->Run();
  share_->fs().FlushContent();
  share_->cache().Flush();
}

void Mount::Unmount() {
  injector_->Stop();
  session_->Unmount();
}

void Mount::Housekeep() {
  rpc::Channel host(share_->remote());
  absl::MutexLock lock(&mu_);
  while (!stop_) {
    mu_.AwaitWithTimeout(absl::Condition(&stop_), kHousekeeping);
    if (stop_) return;
    mu_.Unlock();
    if (share_->fs().forgotten_orphans() > 0) share_->fs().ReleaseOrphans(host);
    // Nobody else may be asking the host for a long time, and until somebody
    // notices that it was restarted the locks are not held.
    if (share_->locks().held().size() > 0) host.Check();
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
  if (command == "sync") return HandleSync(request, emit);
  if (command == "events") return HandleEvents(emit);
  share_->fs().FlushContent();
  if (command == "why") return HandleWhy(request, emit);
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
  share_->fs().FlushContent();
  if (!status.ok()) {
    return emit({{"error", status.message().empty()
                               ? std::string(strerror(ToErrno(status)))
                               : std::string(status.message())}});
  }
  json end = ToJson(last);
  end["done"] = true;
  emit(end);
}

}  // namespace warmfs::fuse
