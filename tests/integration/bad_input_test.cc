// Bad input gets one clear error that says what to do, and the right exit code.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "schema/unique_fd.h"
#include "tests/fakes/hybrid_peer.h"
#include "tests/integration/hostd.h"
#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

class BadInputTest : public MountTest {
 protected:
  Output TryMount(const std::string& source, const std::string& options = "",
                  const std::string& at = "") {
    return Execute(
        {Program("warmfs"), "mount", source, at.empty() ? Mnt() : at, "-o",
         "cache=" + Cache() + (options.empty() ? "" : ",") + options});
  }
  void ExpectError(const Output& output, int code, const std::string& says) {
    EXPECT_EQ(output.code, code) << output.text;
    EXPECT_NE(output.text.find(says), std::string::npos) << output.text;
    // One error, not a flood.
    EXPECT_LE(std::count(output.text.begin(), output.text.end(), '\n'), 2)
        << output.text;
  }
};

TEST_F(BadInputTest, ASourceThatIsNotThere) {
  ExpectError(TryMount(Tmp("nowhere")), EX_NOINPUT, "No such file");
}

TEST_F(BadInputTest, ASourceThatIsAFile) {
  WriteFile(Tmp("file"), "");
  ExpectError(TryMount(Tmp("file")), EX_USAGE, "not a directory");
}

TEST_F(BadInputTest, AMountpointThatIsNotThere) {
  ExpectError(TryMount(Host(), "", Tmp("nowhere")), EX_NOINPUT, "mkdir");
}

TEST_F(BadInputTest, AMountpointThatIsAFile) {
  WriteFile(Tmp("file"), "");
  ExpectError(TryMount(Host(), "", Tmp("file")), EX_CANTCREAT,
              "not a directory");
}

TEST_F(BadInputTest, AMountpointInUse) {
  Mount();
  ExpectError(TryMount(Host(), "cache=" + Tmp("other")), EX_CANTCREAT,
              "warmfs umount");
}

TEST_F(BadInputTest, ACacheInUse) {
  Mount();
  ASSERT_EQ(mkdir(Tmp("mnt2").c_str(), 0755), 0);
  ExpectError(TryMount(Host(), "", Tmp("mnt2")), EX_CANTCREAT, "in use");
}

TEST_F(BadInputTest, AMountpointInsideItsSource) {
  ASSERT_EQ(mkdir(Host("inside").c_str(), 0755), 0);
  ExpectError(TryMount(Host(), "", Host("inside")), EX_USAGE, "inside");
}

TEST_F(BadInputTest, GarbageEndpoints) {
  for (const char* endpoint : {"unix:", "vsock:one:two", "hybrid:x", "tcp:host",
                               "ssh:-oProxyCommand=x:y", "http://x", "nfs:x"}) {
    ExpectError(TryMount(endpoint), EX_USAGE, "");
  }
}

TEST_F(BadInputTest, TcpLeavesThisMachineNever) {
  ExpectError(TryMount("tcp:192.0.2.1:4000"), EX_USAGE, "ssh");
}

TEST_F(BadInputTest, UnknownOptionsAndBadValues) {
  ExpectError(TryMount(Host(), "speed=fast"), EX_USAGE, "speed");
  ExpectError(TryMount(Host(), "ttl=soon"), EX_USAGE, "soon");
  ExpectError(TryMount(Host(), "cache_size=much"), EX_USAGE, "much");
  ExpectError(TryMount(Host(), "locks=both"), EX_USAGE, "locks");
  ExpectError(TryMount(Host(), "token_file=" + Tmp("none")), EX_NOINPUT,
              "token_file");
}

TEST_F(BadInputTest, NobodyListens) {
  ExpectError(TryMount("unix:" + Tmp("none.sock")), EX_NOINPUT, "none.sock");
}

TEST_F(BadInputTest, AnUnknownExportIsNamedBesideThoseThatAreThere) {
  ExpectError(TryMount(Host(), "export=other"), EX_NOINPUT, "default");
}

TEST_F(BadInputTest, AWrongTokenOrNoneIsRefused) {
  WriteFile(Tmp("token"), "0123456789abcdef0123\n");
  WriteFile(Tmp("wrong"), "0123456789abcdef0124\n");
  Hostd hostd({.directory = Host(),
               .listen = "tcp:127.0.0.1:" + std::to_string(FreePort()),
               .token_file = Tmp("token")});
  hostd.Start();
  ExpectError(TryMount(hostd.endpoint(), "token_file=" + Tmp("wrong")),
              EX_NOPERM, "token");
  ExpectError(TryMount(hostd.endpoint()), EX_NOPERM, "token");
  EXPECT_EQ(hostd.Stop(SIGTERM), 0);
}

// A listener that answers every connection with `reply` and nothing else.
class Imposter {
 public:
  Imposter(const std::string& path, std::string reply, bool close_after)
      : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)),
              0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    thread_ = std::thread([this, reply, close_after] {
      std::vector<UniqueFd> open;
      while (true) {
        UniqueFd fd(accept(listener_.get(), nullptr, nullptr));
        if (!fd) return;
        send(fd.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
        if (!close_after) open.push_back(std::move(fd));
      }
    });
  }
  ~Imposter() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  UniqueFd listener_;
  std::thread thread_;
};

TEST_F(BadInputTest, APeerThatSpeaksGarbage) {
  Imposter imposter(Tmp("s"), std::string(4096, '\x7f'), false);
  const Output output = TryMount("unix:" + Tmp("s"));
  ExpectError(output, EX_PROTOCOL, "protocol");
}

TEST_F(BadInputTest, APeerThatHangsUp) {
  Imposter imposter(Tmp("s"), "", true);
  ExpectError(TryMount("unix:" + Tmp("s")), EX_UNAVAILABLE, "warmfs-hostd");
}

TEST_F(BadInputTest, APeerThatNeverAnswers) {
  Imposter imposter(Tmp("s"), "", false);
  ExpectError(TryMount("unix:" + Tmp("s")), EX_UNAVAILABLE, "does not answer");
}

// --- the handshake of a hybrid vsock ---

TEST_F(BadInputTest, AVmInWhichNothingListensOnThePort) {
  HybridPeer peer({.path = Tmp("vm"), .port = 7070, .answer = "", .guest = ""});
  ExpectError(TryMount("hybrid:" + Tmp("vm") + ":7071"), EX_UNAVAILABLE,
              "nothing listens on port 7071");
}

TEST_F(BadInputTest, AnAnswerThatIsNotThatOfAHypervisor) {
  const std::string source = "hybrid:" + Tmp("vm") + ":7070";
  for (const char* answer : {"HTTP/1.1 400 Bad Request\r\n", "\n", "OK\n"}) {
    HybridPeer peer(
        {.path = Tmp("vm"), .port = 7070, .answer = answer, .guest = ""});
    ExpectError(TryMount(source), EX_PROTOCOL, "CONNECT");
  }
  HybridPeer peer({.path = Tmp("vm"),
                   .port = 7070,
                   .answer = "OK " + std::string(4096, '1'),
                   .guest = ""});
  ExpectError(TryMount(source), EX_PROTOCOL, "CONNECT");
}

TEST_F(BadInputTest, AHypervisorThatNeverAnswers) {
  Imposter imposter(Tmp("vm"), "", false);
  ExpectError(TryMount("hybrid:" + Tmp("vm") + ":7070"), EX_UNAVAILABLE,
              "does not answer");
}

TEST_F(BadInputTest, AHypervisorThatIsGone) {
  {
    HybridPeer peer(
        {.path = Tmp("vm"), .port = 7070, .answer = "", .guest = ""});
  }
  ExpectError(TryMount("hybrid:" + Tmp("vm") + ":7070"), EX_UNAVAILABLE,
              "refused");
}

TEST_F(BadInputTest, AVmThatHangsUpAfterTheHandshake) {
  HybridPeer peer({.path = Tmp("vm"),
                   .port = 7070,
                   .answer = "OK 1073741824\n",
                   .guest = ""});
  ExpectError(TryMount("hybrid:" + Tmp("vm") + ":7070"), EX_UNAVAILABLE,
              "is it a warmfs-hostd?");
}

TEST_F(BadInputTest, ACommandThatIsNotThere) {
  ExpectError(TryMount("exec:/no/such/command"), EX_UNAVAILABLE, "");
}

TEST_F(BadInputTest, UnmountingWhatIsNotMounted) {
  ExpectError(Execute({Program("warmfs"), "umount", Tmp("")}), EX_NOINPUT,
              "not a mount");
}

TEST_F(BadInputTest, UnmountingWhatIsInUse) {
  WriteFile(Host("f"), "x");
  Mount();
  UniqueFd fd(open(Mnt("f").c_str(), O_RDONLY));
  ExpectError(Execute({Program("warmfs"), "umount", Mnt()}), EX_CANTCREAT,
              "in use");
}

TEST_F(BadInputTest, ADaemonWithoutWork) {
  ExpectError(Execute({Program("warmfs-hostd"), "--export", "a=" + Host()}),
              EX_USAGE, "--listen");
  ExpectError(Execute({Program("warmfs-hostd"), "--quiet", "--export",
                       "a=" + Tmp("nowhere"), "--listen", "unix:" + Tmp("s")}),
              EX_NOINPUT, "nowhere");
  ExpectError(Execute({Program("warmfs-hostd"), "--quiet", "--export",
                       "a=" + Host(), "--listen", "tcp:127.0.0.1:4321"}),
              EX_USAGE, "--token-file");
  ExpectError(Execute({Program("warmfs-hostd"), "--quiet", "--export",
                       "nonsense", "--listen", "unix:" + Tmp("s")}),
              EX_USAGE, "NAME=DIR");
}

TEST_F(BadInputTest, ToolsOnWhatIsNotThere) {
  const std::string tool = Program("warmfs-cache");
  ExpectError(Execute({tool, "ls", Tmp("")}), EX_NOINPUT, "--cache");
  ExpectError(Execute({tool, "--cache", Tmp("none"), "ls"}), EX_NOINPUT,
              "none");
  Mount();
  EXPECT_NE(Execute({tool, "stat", Mnt("nothing")}).code, 0);
}

}  // namespace
}  // namespace warmfs::testing
