// A real sshd on a free port of the loopback, with keys and configuration of
// its own in a directory, that lets this user in. As long as it lives, the ssh
// that is first on PATH knows it as SshServer::kHost: what a user has in
// ~/.ssh/config is in a file here, which ssh would not look for by itself.
//
// Belongs to the test's thread, since PATH is the process's.

#ifndef WARMFS_TESTS_INTEGRATION_SSH_SERVER_H_
#define WARMFS_TESTS_INTEGRATION_SSH_SERVER_H_

#include <sys/types.h>

#include <string>

namespace warmfs::testing {

class SshServer {
 public:
  static constexpr char kHost[] = "warmfs-test-host";

  // What is missing here for a server; empty if there can be one.
  static std::string Missing();

  // Programs of `path` are found there, as in a user's login.
  SshServer(const std::string& directory, const std::string& path);
  // Once all who are logged in have left.
  ~SshServer();
  SshServer(const SshServer&) = delete;

  bool HasLogins() const;

 private:
  void MakeKeys() const;
  void Configure(const std::string& path, int port) const;

  const std::string directory_;
  const std::string path_before_;
  pid_t pid_ = 0;
};

}  // namespace warmfs::testing

#endif  // WARMFS_TESTS_INTEGRATION_SSH_SERVER_H_
