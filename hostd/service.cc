#include "hostd/service.h"

#include <capnp/rpc-twoparty.h>
#include <fmt/format.h>
#include <kj/async-io.h>
#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "hostd/cursors.h"
#include "hostd/guarded_stream.h"
#include "hostd/token.h"
#include "hostd/wrap_socket.h"
#include "rpc/wire.h"
#include "rpc/wire_internal.h"
#include "schema/linux_abi.h"
#include "schema/warmfs.capnp.h"

namespace warmfs::hostd {
namespace {

using rpc::Decode;
using rpc::Encode;

// Words of one message: a write of kMaxWriteBytes and its envelope, with room.
constexpr uint64_t kMaxMessageWords = 4 * 1024 * 1024 / sizeof(capnp::word);
// Words of requests that were read and not yet answered.
constexpr size_t kMaxFlowWords = 2 * kMaxMessageWords;
// A client logs in and attaches once; more is an attempt to make us hold
// capabilities.
constexpr int kMaxLogins = 16;

void SetStatus(wire::Status::Builder status, int error,
               const std::string& message) {
  status.setError(error);
  status.setMessage(message);
}

// Of an export without a journal: one in which nothing ever happens.
JournalPos NoJournal(const Service& service) {
  return {.journal_id = service.instance, .sequence = 0};
}

// Only if all exports have one: a client hears of it before it attaches.
bool HasJournal(const Service& service) {
  return std::all_of(service.exports.begin(), service.exports.end(),
                     [](const auto& e) { return e->info().journal; });
}

// What the servers of a connection share; it outlives them.
struct Connection {
  Service& service;
  const kj::AsyncIoStream& stream;
  const bool needs_token;
};

class ExportServer final : public wire::Export::Server {
 public:
  ExportServer(const Connection& connection, Export& exported,
               std::shared_ptr<ClientState> client)
      : connection_(connection),
        export_(exported),
        client_(std::move(client)) {}

  kj::Promise<void> getAttr(GetAttrContext c) override {
    return Serve<NodeRef>(
        c, [&](auto& r) { return export_.GetAttr(*client_, r); });
  }
  kj::Promise<void> lookup(LookupContext c) override {
    return Serve<LookupRequest>(
        c, [&](auto& r) { return export_.Lookup(*client_, r); });
  }
  kj::Promise<void> list(ListContext c) override {
    return Serve<ListRequest>(
        c, [&](auto& r) { return export_.List(*client_, cursors_, r); });
  }
  kj::Promise<void> listMany(ListManyContext c) override {
    return Serve<ListManyRequest>(
        c, [&](auto& r) { return export_.ListMany(*client_, cursors_, r); });
  }
  kj::Promise<void> listMore(ListMoreContext c) override {
    return Serve<uint64_t>(
        c, [&](auto& r) { return export_.ListMore(cursors_, r); });
  }
  kj::Promise<void> readLink(ReadLinkContext c) override {
    return Serve<NodeRef>(
        c, [&](auto& r) { return export_.ReadLink(*client_, r); });
  }
  kj::Promise<void> read(ReadContext c) override {
    return Serve<ReadRequest>(
        c, [&](auto& r) { return export_.Read(*client_, r); });
  }
  kj::Promise<void> seek(SeekContext c) override {
    return Serve<SeekRequest>(
        c, [&](auto& r) { return export_.Seek(*client_, r); });
  }
  kj::Promise<void> statFs(StatFsContext c) override {
    return Serve<NodeRef>(c,
                          [&](auto& r) { return export_.StatFs(*client_, r); });
  }
  kj::Promise<void> getXattr(GetXattrContext c) override {
    return Serve<GetXattrRequest>(
        c, [&](auto& r) { return export_.GetXattr(*client_, r); });
  }
  kj::Promise<void> setAttr(SetAttrContext c) override {
    return Serve<SetAttrRequest>(
        c, [&](auto& r) { return export_.SetAttr(*client_, r); });
  }
  kj::Promise<void> create(CreateContext c) override {
    return Serve<CreateRequest>(
        c, [&](auto& r) { return export_.Create(*client_, r); });
  }
  kj::Promise<void> link(LinkContext c) override {
    return Serve<LinkRequest>(
        c, [&](auto& r) { return export_.Link(*client_, r); });
  }
  kj::Promise<void> remove(RemoveContext c) override {
    return Serve<RemoveRequest>(
        c, [&](auto& r) { return export_.Remove(*client_, r); });
  }
  kj::Promise<void> rename(RenameContext c) override {
    return Serve<RenameRequest>(
        c, [&](auto& r) { return export_.Rename(*client_, r); });
  }
  kj::Promise<void> write(WriteContext c) override {
    return Serve<WriteRequest>(
        c, [&](auto& r) { return export_.Write(*client_, r); });
  }
  kj::Promise<void> allocate(AllocateContext c) override {
    return Serve<AllocateRequest>(
        c, [&](auto& r) { return export_.Allocate(*client_, r); });
  }
  kj::Promise<void> copy(CopyContext c) override {
    return Serve<CopyRequest>(
        c, [&](auto& r) { return export_.Copy(*client_, r); });
  }
  kj::Promise<void> sync(SyncContext c) override {
    return Serve<SyncRequest>(
        c, [&](auto& r) { return export_.Sync(*client_, r); });
  }
  kj::Promise<void> setXattr(SetXattrContext c) override {
    return Serve<SetXattrRequest>(
        c, [&](auto& r) { return export_.SetXattr(*client_, r); });
  }
  kj::Promise<void> lock(LockContext c) override {
    return Serve<LockRequest>(
        c, [&](auto& r) { return export_.Lock(*client_, r); });
  }
  kj::Promise<void> release(ReleaseContext c) override {
    return Serve<ReleaseRequest>(c, [&](auto& r) {
      export_.Release(*client_, r);
      return Reply();
    });
  }
  // These two tell a position of their own.
  kj::Promise<void> next(NextContext c) override {
    // Sent ahead, perhaps, by a client that has gone: nobody waits for it.
    KJ_REQUIRE(!PeerHasLeft(connection_.stream), "the client has left");
    return Answer<NextRequest>(
        c, [&](auto& r) { return export_.Next(*client_, r); });
  }
  kj::Promise<void> fence(FenceContext c) override {
    return Answer<FenceRequest>(c, [&](auto&) { return export_.Fence(); });
  }

 private:
  // The position is taken before the file system is looked at (schema/types.h,
  // JournalPos), and before a directory is watched (watcher.h).
  template <typename Request, typename Context, typename Do>
  kj::Promise<void> Serve(Context context, Do act) {
    const JournalPos pos = export_.info().journal
                               ? export_.head()
                               : NoJournal(connection_.service);
    return Answer<Request>(context, [&](auto& request) {
      auto reply = act(request);
      reply.pos = pos;
      return reply;
    });
  }

  // Decode, do, encode.
  template <typename Request, typename Context, typename Do>
  kj::Promise<void> Answer(Context context, Do act) {
    Request request{};
    Decode(context.getParams(), request);
    auto reply = act(request);
    context.releaseParams();
    Encode(reply, context.getResults());
    return kj::READY_NOW;
  }

  const Connection& connection_;
  Export& export_;
  const std::shared_ptr<ClientState> client_;
  Cursors cursors_;
};

class SessionServer final : public wire::Session::Server {
 public:
  SessionServer(const Connection& connection,
                std::shared_ptr<ClientState> client)
      : connection_(connection), client_(std::move(client)) {}

  kj::Promise<void> attach(AttachContext context) override {
    KJ_REQUIRE(++attaches_ <= kMaxLogins, "attached too often");
    const std::string name = rpc::ToString(context.getParams().getExport());
    auto results = context.getResults();
    for (const auto& exported : connection_.service.exports) {
      if (exported->info().name != name) continue;
      results.initStatus();
      Encode(exported->info(), results.initInfo());
      results.setExport(
          kj::heap<ExportServer>(connection_, *exported, client_));
      return kj::READY_NOW;
    }
    SetStatus(results.initStatus(), kENOENT, Unknown(name));
    return kj::READY_NOW;
  }

 private:
  std::string Unknown(const std::string& name) {
    std::string known;
    for (const auto& exported : connection_.service.exports) {
      known += (known.empty() ? "" : ", ") + exported->info().name;
    }
    return fmt::format("the host has no export '{}'; it has: {}", name, known);
  }

  const Connection& connection_;
  const std::shared_ptr<ClientState> client_;
  int attaches_ = 0;
};

class HostServer final : public wire::Host::Server {
 public:
  explicit HostServer(const Connection& connection) : connection_(connection) {}

  kj::Promise<void> hello(HelloContext context) override {
    spdlog::debug("hello from {}",
                  context.getParams().getClient().getSoftware().cStr());
    auto host = context.getResults().initHost();
    host.setProtocol(wire::PROTOCOL_VERSION);
    host.setSoftware("warmfs-hostd " WARMFS_VERSION);
    host.setInstance(connection_.service.instance);
    uint64_t features = wire::FEATURE_LIST_MANY;
    if (HasJournal(connection_.service)) features |= wire::FEATURE_JOURNAL;
    host.setFeatures(features);
    return kj::READY_NOW;
  }

  kj::Promise<void> login(LoginContext context) override {
    KJ_REQUIRE(++logins_ <= kMaxLogins, "logged in too often");
    auto params = context.getParams();
    auto results = context.getResults();
    if (connection_.needs_token &&
        !TokensEqual(rpc::View(params.getToken()), connection_.service.token)) {
      spdlog::warn("a client was refused: wrong token");
      SetStatus(results.initStatus(), kEACCES,
                "the host refused the token; give the one its --token-file "
                "holds with -o token_file=FILE");
      return kj::READY_NOW;
    }
    KJ_REQUIRE(params.getClientId().size() == 16, "a client id has 16 bytes");
    auto client =
        connection_.service.clients.Find(rpc::ToString(params.getClientId()));
    if (client == nullptr) {
      SetStatus(results.initStatus(), kEAGAIN, "the host has too many clients");
      return kj::READY_NOW;
    }
    results.initStatus();
    results.setIncarnation(client->incarnation());
    results.setSession(kj::heap<SessionServer>(connection_, std::move(client)));
    return kj::READY_NOW;
  }

 private:
  const Connection& connection_;
  int logins_ = 0;
};

void ServeStream(kj::AsyncIoContext& io, kj::AsyncIoStream& stream,
                 Service& service, bool needs_token) {
  const Connection connection{service, stream, needs_token};
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = kMaxMessageWords;
  GuardedStream guarded(stream);
  capnp::TwoPartyVatNetwork network(guarded, capnp::rpc::twoparty::Side::SERVER,
                                    limits);
  guarded.watch(network);
  auto rpc = capnp::makeRpcServer(network, kj::heap<HostServer>(connection));
  rpc.setFlowLimit(kMaxFlowWords);
  network.onDisconnect().wait(io.waitScope);
}

}  // namespace

void ServeConnection(UniqueFd fd, Service& service, bool needs_token) {
  try {
    kj::AsyncIoContext io = kj::setupAsyncIo();
    auto stream = WrapSocket(io, std::move(fd));
    ServeStream(io, *stream, service, needs_token);
  } catch (const kj::Exception& e) {
    spdlog::warn("a connection ended: {}", e.getDescription().cStr());
  }
}

std::shared_ptr<ClientState> Clients::Find(const std::string& client_id) {
  absl::MutexLock lock(&mu_);
  auto it = clients_.find(client_id);
  if (it == clients_.end()) {
    if (clients_.size() >= kMaxClients) return nullptr;
    it = clients_.try_emplace(client_id).first;
    it->second.state = std::make_shared<ClientState>();
  }
  return it->second.state;
}

void Clients::Sweep(absl::Time now) {
  absl::MutexLock lock(&mu_);
  for (auto it = clients_.begin(); it != clients_.end();) {
    Known& known = it->second;
    // Ours is the only reference: no connection has it.
    const bool gone = known.state.use_count() == 1;
    if (!gone) known.gone_since = absl::InfiniteFuture();
    if (gone) known.gone_since = std::min(known.gone_since, now);
    it = now - known.gone_since >= kGrace ? clients_.erase(it) : std::next(it);
  }
}

}  // namespace warmfs::hostd
