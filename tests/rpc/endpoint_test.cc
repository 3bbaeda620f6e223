// What a user may write for an endpoint, and what is refused, with the form
// that was expected.

#include "rpc/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace warmfs::rpc {
namespace {

using Kind = Endpoint::Kind;
using testing::ElementsAre;
using testing::HasSubstr;

Endpoint MustParse(std::string_view text) {
  auto endpoint = Endpoint::Parse(text);
  EXPECT_TRUE(endpoint.ok()) << endpoint.status();
  return endpoint.ok() ? *endpoint : Endpoint();
}

TEST(EndpointTest, Directories) {
  for (const char* text : {"/srv/src", "relative", "./a:b", "/a:b", "a/b:c",
                           "..", "/", "dir with spaces"}) {
    const Endpoint e = MustParse(text);
    EXPECT_EQ(e.kind, Kind::kDirectory) << text;
    EXPECT_EQ(e.path, text);
  }
}

TEST(EndpointTest, Sockets) {
  Endpoint e = MustParse("unix:/run/w.sock");
  EXPECT_EQ(e.kind, Kind::kUnix);
  EXPECT_EQ(e.path, "/run/w.sock");
  EXPECT_EQ(MustParse("unix:a:b").path, "a:b");
  EXPECT_EQ(MustParse("unix:" + std::string(107, 'p')).path.size(), 107u);
  e = MustParse("vsock:2:5000");
  EXPECT_EQ(e.kind, Kind::kVsock);
  EXPECT_EQ(e.cid, 2u);
  EXPECT_EQ(e.port, 5000u);
  EXPECT_EQ(MustParse("vsock:4294967295:4294967295").cid, 4294967295u);
  e = MustParse("hybrid:/run/vm:1.sock:52");
  EXPECT_EQ(e.kind, Kind::kHybrid);
  EXPECT_EQ(e.path, "/run/vm:1.sock");
  EXPECT_EQ(e.port, 52u);
}

TEST(EndpointTest, LoopbackTcp) {
  Endpoint e = MustParse("tcp:127.0.0.1:7000");
  EXPECT_EQ(e.kind, Kind::kTcp);
  EXPECT_EQ(e.host, "127.0.0.1");
  EXPECT_EQ(e.port, 7000u);
  EXPECT_EQ(MustParse("tcp:localhost:1").host, "localhost");
  EXPECT_EQ(MustParse("tcp:[::1]:65535").host, "::1");
  EXPECT_EQ(MustParse("tcp:127.9.9.9:1").host, "127.9.9.9");
}

TEST(EndpointTest, Commands) {
  const Endpoint ssh = MustParse("ssh:me@box:/srv/it's here");
  EXPECT_EQ(ssh.kind, Kind::kCommand);
  EXPECT_EQ(ssh.command[0], "ssh");
  EXPECT_EQ(ssh.command.at(ssh.command.size() - 2), "me@box");
  EXPECT_EQ(ssh.command.back(),
            "exec warmfs-hostd --stdio --export default='/srv/it'\\''s here'");
  const Endpoint exec = MustParse("exec:docker exec -i c warmfs-hostd --stdio");
  EXPECT_THAT(exec.command,
              ElementsAre("/bin/sh", "-c",
                          "exec docker exec -i c warmfs-hostd --stdio"));
}

struct BadCase {
  const char* text;
  const char* says;
};

class BadEndpointTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadEndpointTest, IsRefusedWithTheFormThatWasExpected) {
  const auto endpoint = Endpoint::Parse(GetParam().text);
  ASSERT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument)
      << GetParam().text;
  EXPECT_THAT(std::string(endpoint.status().message()),
              HasSubstr(GetParam().says));
}

const std::string kLongPath = "unix:" + std::string(108, 'p');

INSTANTIATE_TEST_SUITE_P(
    Table, BadEndpointTest,
    testing::Values(BadCase{"", "a directory"}, BadCase{"unix:", "unix:PATH"},
                    BadCase{kLongPath.c_str(), "107 bytes"},
                    BadCase{"vsock:", "vsock:CID:PORT"},
                    BadCase{"vsock:2", "vsock:CID:PORT"},
                    BadCase{"vsock::1", "vsock:CID:PORT"},
                    BadCase{"vsock:2:", "vsock:CID:PORT"},
                    BadCase{"vsock:x:1", "vsock:CID:PORT"},
                    BadCase{"vsock:2:1x", "vsock:CID:PORT"},
                    BadCase{"vsock:-1:1", "vsock:CID:PORT"},
                    BadCase{"vsock:4294967296:1", "vsock:CID:PORT"},
                    BadCase{"hybrid:/run/vm.sock", "hybrid:PATH:PORT"},
                    BadCase{"hybrid::52", "hybrid:PATH:PORT"},
                    BadCase{"tcp:localhost", "tcp:HOST:PORT"},
                    BadCase{"tcp:localhost:0", "tcp:HOST:PORT"},
                    BadCase{"tcp:localhost:65536", "tcp:HOST:PORT"},
                    BadCase{"tcp::80", "tcp:HOST:PORT"},
                    BadCase{"tcp:example.org:80", "no encryption"},
                    BadCase{"tcp:10.0.0.1:80", "no encryption"},
                    BadCase{"tcp:0.0.0.0:80", "no encryption"},
                    BadCase{"tcp:[::]:80", "no encryption"},
                    BadCase{"tcp:127.evil.org:80", "no encryption"},
                    BadCase{"ssh:host", "ssh:[USER@]HOST:PATH"},
                    BadCase{"ssh::/path", "ssh:[USER@]HOST:PATH"},
                    BadCase{"ssh:host:", "ssh:[USER@]HOST:PATH"},
                    BadCase{"ssh:-oProxyCommand=x:/p", "ssh:[USER@]HOST:PATH"},
                    BadCase{"exec:", "exec:COMMAND"},
                    BadCase{"hvsock:5001", "vsock:2:PORT"},
                    BadCase{"unx:/run/s", "./NAME"},
                    BadCase{"host:/path", "./NAME"}, BadCase{"C:", "./NAME"}));

TEST(EndpointTest, LoopbackIsThisMachineOnly) {
  for (const char* host : {"127.0.0.1", "127.1.2.3", "::1", "localhost"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"", "0.0.0.0", "::", "128.0.0.1", "127.a", "1270",
                           "localhost.example.org", "::ffff:127.0.0.1"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace warmfs::rpc
