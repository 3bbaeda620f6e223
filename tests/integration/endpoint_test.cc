// Every kind of endpoint, on a real mount: what a user does there, and that a
// connection that breaks is made again.

#include <linux/vm_sockets.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>

#include "schema/unique_fd.h"
#include "tests/fakes/hybrid_peer.h"
#include "tests/integration/hostd.h"
#include "tests/integration/mount_fixture.h"
#include "tests/integration/ssh_server.h"

namespace warmfs::testing {
namespace {

std::set<std::string> Names(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.insert(entry.path().filename());
  }
  return names;
}

class EndpointTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    WriteFile(Tmp("token"), "0123456789abcdef0123\n");
  }

  // `cut` ends all connections. ttl=0: every look is a question to the host.
  void ExpectToWork(const std::string& endpoint, const std::string& options,
                    const std::function<void()>& cut) {
    const std::string large(300'000, 'x');  // some blocks
    WriteFile(Host("of-the-host"), large);
    SetSource(endpoint);
    Mount("freshness=check,ttl=0" + options);
    ASSERT_FALSE(HasFailure());
    EXPECT_EQ(ReadFile(Mnt("of-the-host")), large);
    WriteFile(Mnt("of-the-vm"), large + "y");
    EXPECT_EQ(ReadFile(Host("of-the-vm")), large + "y");
    WriteFile(Host("of-the-host"), "changed");
    EXPECT_EQ(ReadFile(Mnt("of-the-host")), "changed");
    EXPECT_EQ(Names(Mnt()),
              (std::set<std::string>{"of-the-host", "of-the-vm"}));

    cut();
    WriteFile(Mnt("later"), "after the cut");
    EXPECT_EQ(ReadFile(Host("later")), "after the cut");
    WriteFile(Host("of-the-host"), "changed again");
    EXPECT_EQ(ReadFile(Mnt("of-the-host")), "changed again");
    EXPECT_EQ(Names(Mnt()),
              (std::set<std::string>{"later", "of-the-host", "of-the-vm"}));
    const auto rpc = Status()["rpc"];
    // Not how often it connected again: another worker than before may have
    // been asked, for its first time.
    EXPECT_EQ(rpc["failures"], 0);
    EXPECT_EQ(Unmount(), 0);
    EXPECT_EQ(Names(Mnt()), std::set<std::string>());
  }

  void ExpectToWorkWith(Hostd& hostd, const std::string& options) {
    hostd.Start();
    ExpectToWork(hostd.endpoint(), options, [&] { hostd.Replace(); });
  }

  // The client's only child is what it started for the endpoint.
  void KillChildren() {
    const Output killed =
        Execute({"pkill", "-KILL", "-P", std::to_string(client())});
    EXPECT_EQ(killed.code, 0) << killed.text;
  }

  std::string TokenOption() const { return ",token_file=" + Tmp("token"); }
};

TEST_F(EndpointTest, ADirectory) {
  ExpectToWork(Host(), "", [&] { KillChildren(); });
}

TEST_F(EndpointTest, Unix) {
  Hostd hostd({.directory = Host(), .listen = "unix:" + Tmp("sock")});
  ExpectToWorkWith(hostd, "");
}

TEST_F(EndpointTest, TcpWithAToken) {
  Hostd hostd({.directory = Host(),
               .listen = "tcp:127.0.0.1:" + std::to_string(FreePort()),
               .token_file = Tmp("token")});
  ExpectToWorkWith(hostd, TokenOption());
}

TEST_F(EndpointTest, ExecACommand) {
  ExpectToWork("exec:" + Program("warmfs-hostd") +
                   " --quiet --stdio --export default=" + Host(),
               "", [&] { KillChildren(); });
}

// As when ssh logs in by way of other machines.
TEST_F(EndpointTest, ACommandMayTakeItsTimeToLogIn) {
  WriteFile(Host("f"), "there");
  WriteFile(Tmp("slow"), "sleep 7\nexec \"$@\"\n");
  SetSource("exec:sh " + Tmp("slow") + " " + Program("warmfs-hostd") +
            " --quiet --stdio --export default=" + Host());
  Mount();
  EXPECT_EQ(ReadFile(Mnt("f")), "there");
}

// --- hybrid ---

TEST_F(EndpointTest, HybridVsock) {
  Hostd hostd({.directory = Host(), .listen = "unix:" + Tmp("sock")});
  hostd.Start();
  HybridPeer peer({.path = Tmp("vm.sock"),
                   .port = 7070,
                   .answer = "",
                   .guest = Tmp("sock")});
  ExpectToWork("hybrid:" + Tmp("vm.sock") + ":7070", "", [&] { peer.Cut(); });
}

// --- vsock ---

// The loopback of vsock, by really connecting to it: the device and the address
// family are also there where it is not. A free port, or why there is none.
std::string VsockLoopback(uint32_t* port) {
  UniqueFd listener(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  UniqueFd client(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener || !client) return std::string("socket: ") + strerror(errno);
  sockaddr_vm address = {};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = VMADDR_PORT_ANY;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  if (bind(listener.get(), any, size) != 0 || listen(listener.get(), 1) != 0 ||
      getsockname(listener.get(), any, &size) != 0) {
    return std::string("bind: ") + strerror(errno);
  }
  *port = address.svm_port;
  address.svm_cid = VMADDR_CID_LOCAL;
  if (connect(client.get(), any, size) == 0) return "";
  return std::string("connect to CID 1: ") + strerror(errno);
}

TEST_F(EndpointTest, VsockOnTheLoopback) {
  uint32_t port = 0;
  const std::string missing = VsockLoopback(&port);
  if (!missing.empty()) {
    GTEST_SKIP() << "no vsock loopback here (module vsock_loopback): "
                 << missing;
  }
  Hostd hostd({.directory = Host(),
               .listen = "vsock:4294967295:" + std::to_string(port),
               .token_file = Tmp("token")});
  hostd.Start();
  ExpectToWork("vsock:1:" + std::to_string(port), TokenOption(),
               [&] { hostd.Replace(); });
}

// --- ssh ---

class SshTest : public EndpointTest {
 protected:
  std::string BinDirectory() const {
    return std::filesystem::path(Program("warmfs-hostd")).parent_path();
  }
  static std::string User() { return getpwuid(geteuid())->pw_name; }
};

#define SKIP_WITHOUT_SSHD()                                                 \
  if (const std::string missing = SshServer::Missing(); !missing.empty()) { \
    GTEST_SKIP() << missing;                                                \
  }

TEST_F(SshTest, AHost) {
  SKIP_WITHOUT_SSHD();
  SshServer server(Tmp("ssh"), BinDirectory());
  ExpectToWork(std::string("ssh:") + SshServer::kHost + ":" + Host(), "",
               [&] { KillChildren(); });
}

TEST_F(SshTest, AUserAndAPathThatAShellWouldTakeApart) {
  SKIP_WITHOUT_SSHD();
  SshServer server(Tmp("ssh"), BinDirectory());
  const std::string odd = Host("it's $HOME; `x` *");
  ASSERT_TRUE(std::filesystem::create_directory(odd));
  WriteFile(odd + "/f", "there");
  SetSource("ssh:" + User() + "@" + SshServer::kHost + ":" + odd);
  Mount();
  EXPECT_EQ(ReadFile(Mnt("f")), "there");
  EXPECT_EQ(Unmount(), 0);
}

// Nothing is left on the host of a client that is gone, however it went.
TEST_F(SshTest, AClientThatIsKilledLeavesNothingRunningOnTheHost) {
  SKIP_WITHOUT_SSHD();
  SshServer server(Tmp("ssh"), BinDirectory());
  SetSource(std::string("ssh:") + SshServer::kHost + ":" + Host());
  Mount();
  EXPECT_TRUE(server.HasLogins());
  KillClient();
  Await("the end of the login", [&] { return !server.HasLogins(); });
}

TEST_F(SshTest, AHostWithoutTheDaemonIsOneErrorOfOurs) {
  SKIP_WITHOUT_SSHD();
  SshServer server(Tmp("ssh"), Tmp("empty"));
  const Output output =
      Execute({Program("warmfs"), "mount",
               std::string("ssh:") + SshServer::kHost + ":" + Host(), Mnt(),
               "-o", "cache=" + Cache()});
  EXPECT_EQ(output.code, EX_UNAVAILABLE) << output.text;
  EXPECT_NE(output.text.find("is it a warmfs-hostd?"), std::string::npos)
      << output.text;
}

}  // namespace
}  // namespace warmfs::testing
