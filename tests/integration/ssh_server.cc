#include "tests/integration/ssh_server.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

// Of sshd when root runs it; made at boot where it runs as a service.
constexpr char kRunDirectory[] = "/run/sshd";

// sshd starts itself again, and wants to be called by its whole path.
std::string Find(const std::string& program) {
  std::string path =
      Shell("PATH=$PATH:/usr/sbin:/sbin command -v " + program).text;
  while (path.ends_with('\n')) path.pop_back();
  return path;
}

}  // namespace

std::string SshServer::Missing() {
  for (const char* program : {"sshd", "ssh", "ssh-keygen"}) {
    if (Find(program).empty()) {
      return fmt::format(
          "no {} here (packages openssh-server and openssh-client)", program);
    }
  }
  return "";
}

SshServer::SshServer(const std::string& directory, const std::string& path)
    : directory_(directory), path_before_(getenv("PATH")) {
  const int port = FreePort();
  EXPECT_EQ(mkdir(directory_.c_str(), 0700), 0) << directory_;
  MakeKeys();
  Configure(path, port);
  // It stays: another test's sshd may be about to start.
  if (geteuid() == 0) mkdir(kRunDirectory, 0755);
  const std::string log = directory_ + "/sshd.log";
  pid_ =
      Start({Find("sshd"), "-D", "-e", "-f", directory_ + "/sshd_config"}, log);
  Await("sshd", [&] {
    return ReadFile(log).find("Server listening") != std::string::npos;
  });
  setenv("PATH", (directory_ + ":" + path_before_).c_str(), 1);
}

SshServer::~SshServer() {
  setenv("PATH", path_before_.c_str(), 1);
  Await("the end of all logins", [&] { return !HasLogins(); });
  kill(pid_, SIGTERM);
  WaitFor(pid_);
}

bool SshServer::HasLogins() const {
  return Execute({"pgrep", "-P", std::to_string(pid_)}).code == 0;
}

void SshServer::MakeKeys() const {
  for (const char* key : {"/host_key", "/user_key"}) {
    const Output made = Execute({"ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                                 "-f", directory_ + key});
    EXPECT_EQ(made.code, 0) << made.text;
  }
}

void SshServer::Configure(const std::string& path, int port) const {
  // StrictModes would refuse a key below /tmp; without PAM nothing of the
  // machine's own set-up is needed.
  WriteFile(directory_ + "/sshd_config", fmt::format(R"(ListenAddress 127.0.0.1
Port {0}
HostKey {1}/host_key
AuthorizedKeysFile {1}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH={2}:/usr/bin:/bin
)",
                                                     port, directory_, path));
  WriteFile(directory_ + "/config", fmt::format(R"(Host {0}
HostName 127.0.0.1
HostKeyAlias {0}
Port {1}
IdentityFile {2}/user_key
IdentitiesOnly yes
UserKnownHostsFile {2}/known_hosts
)",
                                                kHost, port, directory_));
  WriteFile(
      directory_ + "/known_hosts",
      fmt::format("{} {}", kHost, ReadFile(directory_ + "/host_key.pub")));
  const std::string ssh = directory_ + "/ssh";
  WriteFile(ssh, fmt::format("#!/bin/sh\nexec {} -F {}/config \"$@\"\n",
                             Find("ssh"), directory_));
  EXPECT_EQ(chmod(ssh.c_str(), 0700), 0);
}

}  // namespace warmfs::testing
