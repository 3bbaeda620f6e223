// Who is let in, and what the others are told.

#include <capnp/rpc-twoparty.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <thread>

#include "rpc/channel.h"
#include "rpc/socket.h"
#include "schema/warmfs.capnp.h"
#include "tests/rpc/host.h"

namespace warmfs::rpc {
namespace {

using testing::HasSubstr;

absl::Status OpenWith(RemoteOptions options) {
  auto remote = Remote::Create(std::move(options));
  if (!remote.ok()) return remote.status();
  Channel channel(**remote);
  absl::Status status = channel.Open();
  EXPECT_EQ((*remote)->trouble(), status.message());
  EXPECT_EQ((*remote)->connected(), status.ok() ? 1 : 0);
  return status;
}

// A port of this machine that was free a moment ago.
uint16_t FreePort() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

class TokenTest : public testing::Test {
 protected:
  const std::string tcp_ = "tcp:127.0.0.1:" + std::to_string(FreePort());
  Host host_{{.token = "the right token", .listen = tcp_}};
};

TEST_F(TokenTest, TheRightTokenIsLetIn) {
  RemoteOptions options = host_.RemoteOptionsFor(tcp_);
  options.token = "the right token";
  EXPECT_EQ(OpenWith(options), absl::OkStatus());
}

TEST_F(TokenTest, AnyOtherTokenIsPermissionDenied) {
  for (const char* token :
       {"", "the right toke", "the right tokem", "the right token "}) {
    RemoteOptions options = host_.RemoteOptionsFor(tcp_);
    options.token = token;
    const absl::Status status = OpenWith(options);
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << token << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("token_file"));
  }
}

TEST_F(TokenTest, TheSameUserNeedsNoneOnAUnixSocket) {
  EXPECT_EQ(OpenWith(host_.RemoteOptionsFor(host_.endpoint())),
            absl::OkStatus());
}

TEST_F(TokenTest, CallsWithAWrongTokenAreEio) {
  RemoteOptions options = host_.RemoteOptionsFor(tcp_);
  options.token = "wrong";
  options.host_wait = absl::Milliseconds(50);
  auto remote = Remote::Create(options);
  Channel channel(**remote);
  EXPECT_EQ(channel.GetAttr({}).error, EIO);
}

TEST(LoginTest, AnUnknownExportIsNotFoundAndTheOthersAreNamed) {
  Host host;
  RemoteOptions options = host.RemoteOptionsFor(host.endpoint());
  options.export_name = "nonesuch";
  const absl::Status status = OpenWith(options);
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'nonesuch'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("it has: default"));
}

TEST(LoginTest, NobodyThereIsUnavailableAndNamesTheEndpoint) {
  TempDir dir;
  const std::string endpoint = "unix:" + (dir / "none");
  const absl::Status status = OpenWith({.endpoint = endpoint});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(endpoint));
}

TEST(LoginTest, AMalformedEndpointIsAnInvalidArgument) {
  EXPECT_TRUE(absl::IsInvalidArgument(OpenWith({.endpoint = "vsock:x"})));
}

// --- peers that are no hosts of ours ---

// Serves one connection at a time with `serve`.
class Peer {
 public:
  explicit Peer(std::function<void(UniqueFd)> serve) {
    auto listener = ListenSocket(*Endpoint::Parse(endpoint()));
    EXPECT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    thread_ = std::thread([this, serve] {
      UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (fd) serve(std::move(fd));
    });
  }
  ~Peer() { thread_.join(); }
  std::string endpoint() const { return "unix:" + dir_ / "peer"; }

 private:
  TempDir dir_;
  UniqueFd listener_;
  std::thread thread_;
};

class OtherProtocol final : public wire::Host::Server {
 public:
  kj::Promise<void> hello(HelloContext context) override {
    auto host = context.getResults().initHost();
    host.setProtocol(2);
    host.setSoftware("warmfs-hostd 9.0");
    return kj::READY_NOW;
  }
  kj::Promise<void> login(LoginContext context) override {
    ADD_FAILURE() << "logged in at a host of another protocol";
    return kj::READY_NOW;
  }
};

void ServeOtherProtocol(UniqueFd fd) {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  auto stream = io.lowLevelProvider->wrapSocketFd(
      fd.Release(), kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP);
  capnp::TwoPartyVatNetwork network(*stream,
                                    capnp::rpc::twoparty::Side::SERVER);
  auto rpc = capnp::makeRpcServer(network, kj::heap<OtherProtocol>());
  network.onDisconnect().wait(io.waitScope);
}

TEST(PeerTest, AHostOfAnotherProtocolVersionIsRefused) {
  Peer peer(ServeOtherProtocol);
  const absl::Status status = OpenWith({.endpoint = peer.endpoint()});
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("protocol 2"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("upgrade"));
}

TEST(PeerTest, OneThatHangsUpIsUnavailable) {
  Peer peer([](UniqueFd fd) {});
  const absl::Status status = OpenWith({.endpoint = peer.endpoint()});
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("warmfs-hostd?"));
}

TEST(PeerTest, OneThatTalksSomethingElseIsUnimplemented) {
  Peer peer([](UniqueFd fd) {
    const std::string_view text =
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nBad Request....";
    EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    shutdown(fd.get(), SHUT_WR);
    char buffer[4096];
    while (recv(fd.get(), buffer, sizeof(buffer), 0) > 0) {
    }
  });
  const absl::Status status = OpenWith({.endpoint = peer.endpoint()});
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(peer.endpoint()));
}

}  // namespace
}  // namespace warmfs::rpc
