// A real mount made by the real programs: a host directory, a cache directory
// and a mountpoint in a temporary directory, and the client as a child process
// in the foreground. Everything is taken down again, also after a failure.
//
// Skips by name where /dev/fuse cannot be used.

#ifndef WARMFS_TESTS_INTEGRATION_MOUNT_FIXTURE_H_
#define WARMFS_TESTS_INTEGRATION_MOUNT_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.h"

namespace warmfs::testing {

// Starts a program with these arguments; its output goes to `log` if given.
pid_t Start(const std::vector<std::string>& argv, const std::string& log = "");
// Waits for it; its exit code, or 128 + the signal that ended it.
int WaitFor(pid_t pid);

struct Output {
  int code = 0;
  std::string text;  // standard output and standard error
};
// Runs a program to its end.
Output Execute(const std::vector<std::string>& argv);
// Runs a line of /bin/sh.
Output Shell(const std::string& line);

// A port of the loopback that nobody listens on.
int FreePort();

// A program of this build.
std::string Program(const std::string& name);

// Waits until `ready` is true, at most 20 s; the test fails if it never is.
template <typename F>
void Await(const char* what, F ready) {
  for (int i = 0; i < 2000; ++i) {
    if (ready()) return;
    usleep(10'000);
  }
  ADD_FAILURE() << "waited in vain for " << what;
}

std::string ReadFile(const std::string& path);
// Fails the test if it cannot.
void WriteFile(const std::string& path, const std::string& content);

class MountTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Mounts Source() with these options besides cache= and the default ttl.
  void Mount(const std::string& options = "");
  // Unmounts and waits until the client has ended; its exit code.
  int Unmount();
  // Waits until the client has ended by itself; its exit code.
  int AwaitEnd() { return WaitFor(std::exchange(client_, 0)); }
  void Remount(const std::string& options = "") {
    Unmount();
    Mount(options);
  }
  // kill -9, then clears the dead mount away.
  void KillClient();

  std::string Host(const std::string& path = "") const {
    return host_ + (path.empty() ? "" : "/" + path);
  }
  std::string Mnt(const std::string& path = "") const {
    return mnt_ + (path.empty() ? "" : "/" + path);
  }
  std::string Cache() const { return tmp_ / "cache"; }
  std::string Tmp(const std::string& name) const { return tmp_ / name; }
  void SetSource(std::string source) { source_ = std::move(source); }
  const std::string& source() const { return source_; }
  pid_t client() const { return client_; }

  // What `warmfs status --json` says of this mount.
  nlohmann::json Status();
  uint64_t Requests();  // from the kernel, all kinds
  uint64_t Requests(const std::string& kind);
  // Walks and reads all of the mount some times: what is warm sends nothing.
  // The kernel may reclaim a page, of a file or a directory, at any time and
  // then has to read it again, so only one of the walks must be free of
  // requests altogether; all must be free of those that are not for pages.
  void ExpectWarm(int files);
  uint64_t Rpcs();
  uint64_t Rpcs(const std::string& method);

  // Edits that the cache has dropped since it was mounted, rather than wait for
  // a disk that is too slow: each may cost a fetch that would not be needed.
  uint64_t Dropped();

  // A file made on the host, once the mount shows it with all of its content.
  void WriteHost(const std::string& name, const std::string& content);

  // A tree of `directories` x `files` files of varied small sizes on the host,
  // last changed well before now.
  void MakeTree(int directories, int files);

 private:
  TempDir tmp_;
  std::string host_ = tmp_ / "host", mnt_ = tmp_ / "mnt", source_ = host_;
  pid_t client_ = 0;
};

// Reads everything below `path` as a program would: readdir, lstat, open, read,
// close. The number of files.
int WalkAndRead(const std::string& path);

}  // namespace warmfs::testing

#endif  // WARMFS_TESTS_INTEGRATION_MOUNT_FIXTURE_H_
