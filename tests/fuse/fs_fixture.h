// A file system over a real host and a real cache, with a clock that the test
// steps. Freshness goes by that clock; what is racy goes by the host's own.

#ifndef WARMFS_TESTS_FUSE_FS_FIXTURE_H_
#define WARMFS_TESTS_FUSE_FS_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cache/cache.h"
#include "fuse/errors.h"
#include "fuse/file_system.h"
#include "rpc/channel.h"
#include "tests/fakes/stepped_clock.h"
#include "tests/rpc/host.h"
#include "tests/support/temp_dir.h"

namespace warmfs::fuse {

using rpc::Method;

inline constexpr absl::Duration kTtl = absl::Seconds(1);

class FileSystemTest : public testing::Test {
 protected:
  explicit FileSystemTest(rpc::Host::Options host = {});
  void TearDown() override;

  // Anew, with an empty tree and the cache in this directory (empty: memory).
  void Mount(const std::string& cache_directory, FileSystemOptions options);
  // Through another endpoint of the same host.
  void Connect(const std::string& endpoint,
               absl::Duration host_wait = absl::Seconds(30));
  FileSystemOptions Options() const;

  // What the kernel would hold a moment longer is now to be checked.
  void Expire() { clock_.Step(kTtl); }

  Entry Look(NodeId dir, std::string_view name);
  // The node at a path, which is there.
  NodeId Find(std::string_view path);
  Attr GetAttr(NodeId node);
  std::string Read(NodeId node, uint64_t offset = 0, size_t size = 1 << 20);
  // All names, in pages of `limit`.
  std::vector<std::string> Names(NodeId dir, size_t limit = 1000);
  NodeId Create(NodeId dir, std::string_view name, uint32_t mode);

  uint64_t Calls(Method method) const {
    return remote_->stats().of(method).calls;
  }
  // What the kernel was told to drop since the last time: the pages of files,
  // listings, names.
  std::vector<NodeId> TakePages();
  std::vector<NodeId> TakeListings();
  std::vector<std::pair<NodeId, std::string>> TakeEntries();
  std::vector<NodeId> TakeAttrs();
  // What differences in listings would have raised.
  std::vector<Injection> TakeInjections();

  rpc::Host host_;
  TempDir dir_;
  SteppedClock clock_;
  std::unique_ptr<rpc::Remote> remote_;
  std::unique_ptr<rpc::Channel> channel_;
  std::unique_ptr<cache::Cache> cache_;
  std::unique_ptr<FileSystem> fs_;
  // At which names the kernel may have something outdated.
  std::set<std::pair<NodeId, std::string>> unsure_;
  // Somebody should list ahead.
  std::atomic<bool> must_list_ = false;
  // It takes its time to drop pages, until CarryDrop.
  bool hold_drops_ = false;
  void CarryDrop(NodeId node);

 private:
  Invalidations Recorder();
  std::vector<NodeId> Take(bool directories);

  absl::Mutex mu_;
  std::vector<NodeId> pages_ ABSL_GUARDED_BY(mu_);
  std::vector<NodeId> attrs_ ABSL_GUARDED_BY(mu_);
  std::vector<Injection> injections_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<NodeId, std::string>> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_TESTS_FUSE_FS_FIXTURE_H_
