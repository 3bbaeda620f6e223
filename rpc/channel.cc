#include "rpc/channel.h"

#include <capnp/rpc-twoparty.h>
#include <fmt/format.h>
#include <kj/async-io.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "rpc/socket_stream.h"
#include "rpc/wire.h"
#include "rpc/wire_internal.h"

namespace warmfs::rpc {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(10);
constexpr absl::Duration kLongestBackoff = absl::Seconds(1);

// Files' content in a request or a reply, for the statistics.
template <typename T>
uint64_t ContentBytes(const T&) {
  return 0;
}
template <>
uint64_t ContentBytes(const ReadReply& reply) {
  uint64_t sum = 0;
  for (const FileRead& file : reply.files) {
    for (const BlockReply& block : file.blocks) sum += block.bytes.size();
  }
  return sum;
}
template <>
uint64_t ContentBytes(const WriteRequest& request) {
  return request.data.size();
}

// How long the host may take to answer because it was asked to wait.
template <typename T>
absl::Duration WaitOf(const T&) {
  return absl::ZeroDuration();
}
absl::Duration WaitOf(const NextRequest& request) {
  return absl::Milliseconds(request.wait_ms);
}

absl::Status FromHostStatus(wire::Status::Reader status) {
  if (status.getError() == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(status.getError(), ToString(status.getMessage()));
}

}  // namespace

class Channel::Impl {
 public:
  Impl(Channel& channel, Remote& remote, Interruption& interruption)
      : channel_(channel),
        remote_(remote),
        interruption_(interruption),
        io_(kj::setupAsyncIo()) {}

  ~Impl() { Disconnect(); }

  absl::Status Connect(absl::Duration timeout) {
    const absl::Time deadline = absl::Now() + timeout;
    absl::Status status = TryConnect(timeout);
    if (status.ok()) status = GiveBack(deadline);
    remote_.SetTrouble(status.ok() ? "" : std::string(status.message()));
    if (!status.ok()) Disconnect();
    return status;
  }

  void Check() {
    if (attached_ && !connection_->client.onDisconnect().poll(io_.waitScope)) {
      return;
    }
    Disconnect();
    (void)Connect(remote_.connector().time_limit());
  }

  uint64_t incarnation() const { return attached_ ? incarnation_ : 0; }

  template <typename R, typename Q, typename MakeRequest>
  R Call(Method method, Q request, MakeRequest make) {
    const absl::Time deadline =
        absl::Now() + remote_.options().host_wait + WaitOf(request);
    while (true) {
      if (!AwaitConnection(deadline)) return Failed<R>();
      R reply;
      switch (TryCall(method, request, make, deadline, reply)) {
        case Outcome::kDone:
          return reply;
        case Outcome::kFailed:
          return Failed<R>();
        case Outcome::kDisconnected:
          if constexpr (requires { request.retry; }) request.retry = true;
          remote_.stats().reconnects.fetch_add(1);
      }
    }
  }

 private:
  struct Connection {
    Connection(kj::UnixEventPort& port, UniqueFd fd)
        : stream(port, std::move(fd)), client(stream), exported(nullptr) {}
    SocketStream stream;
    capnp::TwoPartyClient client;
    wire::Export::Client exported;
  };
  enum class Outcome { kDone, kDisconnected, kFailed };

  template <typename R>
  R Failed() {
    if (!interruption_.interrupted()) remote_.stats().failures.fetch_add(1);
    R reply;
    reply.error = EIO;
    return reply;
  }

  void Disconnect() {
    if (attached_) remote_.CountConnected(-1);
    attached_ = false;
    connection_.reset();
    interruption_.Unguard();
  }

  template <typename T>
  auto Await(capnp::RemotePromise<T> promise, absl::Duration timeout) {
    // KJ's timer stands still while its loop does not run: without this, a time
    // limit set after an idle while would lie in the past.
    io_.waitScope.poll();
    kj::Promise<capnp::Response<T>> plain = kj::mv(promise);
    const auto nanos =
        absl::ToInt64Nanoseconds(std::max(timeout, absl::Milliseconds(1)));
    return io_.provider->getTimer()
        .timeoutAfter(nanos * kj::NANOSECONDS, kj::mv(plain))
        .wait(io_.waitScope);
  }

  absl::Status TryConnect(absl::Duration timeout) {
    absl::StatusOr<UniqueFd> fd = remote_.connector().Connect(timeout);
    if (!fd.ok()) {
      return absl::Status(
          fd.status().code(),
          fmt::format("no host at {}: {}", remote_.options().endpoint,
                      std::string(fd.status().message())));
    }
    if (!interruption_.Guard(fd->get())) {
      return absl::CancelledError("interrupted");
    }
    try {
      connection_.emplace(io_.unixEventPort, *std::move(fd));
      return Attach(timeout);
    } catch (const kj::Exception& e) {
      return BadPeer(e);
    }
  }

  absl::Status BadPeer(const kj::Exception& e) {
    const std::string& endpoint = remote_.options().endpoint;
    if (e.getType() == kj::Exception::Type::OVERLOADED) {
      return absl::UnavailableError(
          fmt::format("{} accepts connections but does not answer", endpoint));
    }
    // Whatever ends a connection arrives as DISCONNECTED; only the text tells a
    // peer that hung up from one whose bytes made no sense.
    const std::string_view text = e.getDescription().cStr();
    if (text.find("Peer disconnected") != text.npos ||
        text.find(strerror(ECONNRESET)) != text.npos ||
        text.find(strerror(EPIPE)) != text.npos) {
      return absl::UnavailableError(
          fmt::format("{} closed the connection before it said hello: is it a "
                      "warmfs-hostd?",
                      endpoint));
    }
    return absl::UnimplementedError(fmt::format(
        "{} does not speak warmfs's protocol ({})", endpoint, text));
  }

  absl::Status Attach(absl::Duration timeout) {
    auto host = connection_->client.bootstrap().castAs<wire::Host>();
    auto hello = host.helloRequest();
    hello.initClient().setProtocol(wire::PROTOCOL_VERSION);
    hello.getClient().setSoftware("warmfs " WARMFS_VERSION);
    auto said = Await(hello.send(), timeout);
    const auto protocol = said.getHost().getProtocol();
    if (protocol != wire::PROTOCOL_VERSION) {
      return absl::UnimplementedError(fmt::format(
          "the host speaks protocol {}, this client {}: upgrade the older of "
          "the two",
          protocol, uint32_t{wire::PROTOCOL_VERSION}));
    }
    auto login = host.loginRequest();
    login.setToken(ToData(remote_.options().token));
    login.setClientId(ToData(remote_.client_id()));
    auto session = Await(login.send(), timeout);
    absl::Status status = FromHostStatus(session.getStatus());
    if (!status.ok()) return status;

    auto attach = session.getSession().attachRequest();
    attach.setExport(remote_.options().export_name);
    auto attached = Await(attach.send(), timeout);
    status = FromHostStatus(attached.getStatus());
    if (!status.ok()) return status;
    ExportInfo info;
    Decode(attached.getInfo(), info);
    info.instance = said.getHost().getInstance();
    info.list_many =
        (said.getHost().getFeatures() & wire::FEATURE_LIST_MANY) != 0;
    info.journal = (said.getHost().getFeatures() & wire::FEATURE_JOURNAL) != 0;
    status = remote_.Attached(info);
    if (!status.ok()) return status;
    incarnation_ = session.getIncarnation();
    connection_->exported = attached.getExport();
    attached_ = true;
    remote_.CountConnected(1);
    return absl::OkStatus();
  }

  // The host may have forgotten what it held for this client.
  absl::Status GiveBack(absl::Time deadline) {
    absl::StatusOr<bool> must = remote_.MustRestore(incarnation_, deadline);
    if (!must.ok() || !*must) return must.status();
    const uint64_t incarnation = incarnation_;
    restoring_ = true;
    remote_.restore()(channel_);
    restoring_ = false;
    remote_.Restored(incarnation, attached_);
    return attached_ ? absl::OkStatus()
                     : absl::UnavailableError("the connection broke");
  }

  bool AwaitConnection(absl::Time deadline) {
    if (restoring_) return attached_;
    if (attached_ && incarnation_ != remote_.incarnation()) Disconnect();
    absl::Duration backoff = kFirstBackoff;
    while (!attached_ && !interruption_.interrupted()) {
      const absl::Duration left = deadline - absl::Now();
      if (left <= absl::ZeroDuration()) return false;
      absl::Status status =
          Connect(std::min(left, remote_.connector().time_limit()));
      if (status.ok()) break;
      spdlog::debug("waiting for the host: {}", std::string(status.message()));
      interruption_.SleepFor(std::min({backoff, left, kLongestBackoff}));
      backoff = 2 * backoff;
    }
    return attached_ && !interruption_.interrupted();
  }

  template <typename Q, typename MakeRequest, typename R>
  Outcome TryCall(Method method, const Q& request, MakeRequest make,
                  absl::Time deadline, R& reply) {
    const absl::Time start = absl::Now();
    RpcStats& stats = remote_.stats();
    auto& counted = stats.of(method);
    counted.calls.fetch_add(1, std::memory_order_relaxed);
    try {
      auto message = make(connection_->exported);
      Encode(request, message);
      auto response = Await(message.send(), deadline - start);
      Decode(response, reply);
    } catch (const kj::Exception& e) {
      Disconnect();
      if (interruption_.interrupted()) return Outcome::kFailed;
      // The text is the peer's or the kernel's; it helps a person only.
      spdlog::warn("{} failed: {}", MethodName(method),
                   e.getDescription().cStr());
      return e.getType() == kj::Exception::Type::DISCONNECTED
                 ? Outcome::kDisconnected
                 : Outcome::kFailed;
    }
    const absl::Duration latency = absl::Now() - start;
    counted.latency.Record(latency);
    if (method != Method::kNext) stats.latency.Record(latency);
    stats.bytes_read.fetch_add(ContentBytes(reply), std::memory_order_relaxed);
    stats.bytes_written.fetch_add(ContentBytes(request),
                                  std::memory_order_relaxed);
    return Outcome::kDone;
  }

  Channel& channel_;
  Remote& remote_;
  Interruption& interruption_;
  kj::AsyncIoContext io_;
  std::optional<Connection> connection_;
  bool attached_ = false;
  bool restoring_ = false;  // calls are for this connection only
  uint64_t incarnation_ = 0;
};

Channel::Channel(Remote& remote) : remote_(remote) {}
Channel::~Channel() = default;

Channel::Impl& Channel::impl() {
  if (impl_ == nullptr) {
    impl_ = std::make_unique<Impl>(*this, remote_, interruption_);
  }
  return *impl_;
}

absl::Status Channel::Open() {
  return impl().Connect(remote_.connector().time_limit());
}
void Channel::Check() { impl().Check(); }
uint64_t Channel::incarnation() const {
  return impl_ == nullptr ? 0 : impl_->incarnation();
}

// One line of glue for each method: which statistics, which wire method.
#define WARMFS_METHOD(Name, ReplyType, RequestType, wire_name)           \
  ReplyType Channel::Name(const RequestType& request) {                  \
    return impl().Call<ReplyType>(                                       \
        Method::k##Name, request,                                        \
        [](wire::Export::Client& e) { return e.wire_name##Request(); }); \
  }

WARMFS_METHOD(GetAttr, AttrReply, NodeRef, getAttr)
WARMFS_METHOD(Lookup, LookupReply, LookupRequest, lookup)
WARMFS_METHOD(List, ListReply, ListRequest, list)
WARMFS_METHOD(ListMore, ListReply, uint64_t, listMore)
WARMFS_METHOD(ListMany, ListManyReply, ListManyRequest, listMany)
WARMFS_METHOD(ReadLink, ReadLinkReply, NodeRef, readLink)
WARMFS_METHOD(Read, ReadReply, ReadRequest, read)
WARMFS_METHOD(Seek, SeekReply, SeekRequest, seek)
WARMFS_METHOD(StatFs, StatFsReply, NodeRef, statFs)
WARMFS_METHOD(GetXattr, GetXattrReply, GetXattrRequest, getXattr)
WARMFS_METHOD(SetAttr, ChangeReply, SetAttrRequest, setAttr)
WARMFS_METHOD(Create, CreateReply, CreateRequest, create)
WARMFS_METHOD(Link, LinkReply, LinkRequest, link)
WARMFS_METHOD(Remove, RemoveReply, RemoveRequest, remove)
WARMFS_METHOD(Rename, RenameReply, RenameRequest, rename)
WARMFS_METHOD(Write, WriteReply, WriteRequest, write)
WARMFS_METHOD(Allocate, ChangeReply, AllocateRequest, allocate)
WARMFS_METHOD(Copy, CopyReply, CopyRequest, copy)
WARMFS_METHOD(Sync, Reply, SyncRequest, sync)
WARMFS_METHOD(SetXattr, ChangeReply, SetXattrRequest, setXattr)
WARMFS_METHOD(Lock, LockReply, LockRequest, lock)
WARMFS_METHOD(Release, Reply, ReleaseRequest, release)
WARMFS_METHOD(Next, NextReply, NextRequest, next)
WARMFS_METHOD(Fence, Reply, FenceRequest, fence)

#undef WARMFS_METHOD

}  // namespace warmfs::rpc
