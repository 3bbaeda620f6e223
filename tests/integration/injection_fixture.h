// A real mount within the test's process, of a real host behind a proxy, with
// an injector that the test feeds. The test plays the journal: it does
// something on the host, has the mount learn of it (Learn), and pushes what is
// to be raised.
//
// The kernel believes what it was told for an hour, as with leases: what is
// wrong and not invalidated is found.
//
// There are kWorkers for the kernel's requests.
//
// Skips by name where /dev/fuse cannot be used.

#ifndef WARMFS_TESTS_INTEGRATION_INJECTION_FIXTURE_H_
#define WARMFS_TESTS_INTEGRATION_INJECTION_FIXTURE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cache/cache.h"
#include "fuse/file_system.h"
#include "fuse/host_locks.h"
#include "fuse/injector.h"
#include "fuse/notifier.h"
#include "fuse/session.h"
#include "rpc/channel.h"
#include "tests/fakes/stepped_clock.h"
#include "tests/integration/watcher.h"
#include "tests/rpc/host.h"
#include "tests/rpc/proxy.h"
#include "tests/support/temp_dir.h"

namespace warmfs::testing {

class InjectionTest : public ::testing::Test {
 protected:
  static constexpr int kWorkers = 3;

  void SetUp() override;
  void TearDown() override;

  // A tree of d/f, d/g and e, which the kernel then holds. An injector whose
  // options a test changed before.
  void Mount(bool read_only = false);
  void Unmount();

  std::string Mnt(const std::string& path = "") const {
    return mnt_ + (path.empty() ? "" : "/" + path);
  }
  std::string Host(const std::string& path = "") const { return host_ / path; }
  // The mount learns what there is in these directories now, and the kernel
  // drops what it held of these names in them.
  void Learn(const std::vector<std::string>& dirs,
             const std::vector<std::string>& names);

  // What the host has at this path; id null: nothing.
  Attr Ask(const std::string& path);
  // The node of a directory, which the kernel looks up for it.
  fuse::NodeId Node(const std::string& path);

  // Fills in what is not given: the sequence.
  void Push(fuse::Injection injection);
  // All that was pushed has been raised; what it gave, normalised, a line each.
  std::string Events();

  // What a look at the mount finds; compared with the host in passing.
  std::set<std::string> Names(const std::string& dir);
  // The mount shows the host's state of this path, by stat and by open.
  void ExpectTruth(const std::string& path);

  rpc::Host host_;
  TempDir tmp_;
  std::unique_ptr<rpc::Proxy> proxy_;
  fuse::InjectorOptions injector_options_;
  std::unique_ptr<rpc::Remote> remote_;
  std::unique_ptr<rpc::Channel> channel_;
  std::unique_ptr<cache::Cache> cache_;
  fuse::SteppedClock clock_;
  std::unique_ptr<fuse::FileSystem> fs_;
  std::unique_ptr<fuse::HostLocks> locks_;
  std::unique_ptr<fuse::Session> session_;
  std::unique_ptr<fuse::Notifier> notifier_;
  std::unique_ptr<fuse::Injector> injector_;
  std::unique_ptr<Watcher> watcher_;
  fuse::NodeId d_ = 0, e_ = 0;
  // Called on a hand, between the invalidation of a name and the call.
  std::function<void(const std::string& name)> invalidated_ =
      [](const std::string&) {};
  // Requests that have begun to wait for a drop of pages, and have waited.
  std::atomic<int> began_to_wait_ = 0, waited_ = 0;

 private:
  std::string mnt_;
  std::thread serving_;
  uint64_t sequence_ = 0;
};

}  // namespace warmfs::testing

#endif  // WARMFS_TESTS_INTEGRATION_INJECTION_FIXTURE_H_
