// What a file system is made from: its options, and the way to the kernel for
// what it must be told. Values.

#ifndef WARMFS_FUSE_FILE_SYSTEM_OPTIONS_H_
#define WARMFS_FUSE_FILE_SYSTEM_OPTIONS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "fuse/injection.h"
#include "fuse/tree.h"

namespace warmfs::fuse {

// Above this, a directory is not listed again to answer for one name.
inline constexpr uint32_t kBigDirectory = 10'000;

// A file was read, and this many that follow it are worth reading ahead.
struct Ahead {
  NodeId file = 0;
  int files = 0;
};

// The kernel must drop what it holds, and then its watchers are to be told.
// Called from any thread; queues.
struct Invalidations {
  std::function<void(NodeId)> pages = [](NodeId) {};  // and attributes
  // The same at once, beside a drop that READs are in the way of; of pages from
  // that one on (page_drops.h).
  std::function<void(NodeId, uint64_t)> overtake = [](NodeId, uint64_t) {};
  // The calling thread begins to wait for a drop (true), and has waited.
  std::function<void(bool)> held_up = [](bool) {};
  std::function<void(NodeId)> attr = [](NodeId) {};
  std::function<void(NodeId, std::string_view)> entry = [](NodeId,
                                                           std::string_view) {};
  // Whether the kernel may have at the name what it was not told last: it is
  // being told, or the injector is at work there.
  std::function<bool(NodeId, std::string_view)> unsure =
      [](NodeId, std::string_view) { return false; };
  // After what was dropped before.
  std::function<void(std::vector<Injection>)> raise =
      [](std::vector<Injection>) {};
  // What the kernel is told without being asked, and without need.
  std::function<void(const Ahead&)> ahead = [](const Ahead&) {};
  // Somebody should call FileSystem::ListAhead, as long as there are some.
  std::function<void()> list_ahead = [] {};
};

struct FileSystemCounters {
  std::atomic<uint64_t> read_hits{0};  // found in the cache
  std::atomic<uint64_t> read_misses{0};
  std::atomic<uint64_t> listings_confirmed{0};
  std::atomic<uint64_t> listings_fetched{0};
};

struct FileSystemOptions {
  absl::Duration ttl = absl::Seconds(1);
  // The host has a journal, and somebody follows it (fuse/follower.h).
  bool leases = false;
  bool list_many = false;  // the host can
  bool read_only = false;
  // The host's user, and whom the VM sees instead.
  uint32_t host_uid = 0;
  uint32_t host_gid = 0;
  uint32_t vm_uid = 0;
  uint32_t vm_gid = 0;

  Attr ToVm(Attr attr) const {
    if (attr.uid == host_uid) attr.uid = vm_uid;
    if (attr.gid == host_gid) attr.gid = vm_gid;
    return attr;
  }
  uint32_t ToHostUid(uint32_t uid) const {
    return uid == vm_uid ? host_uid : uid;
  }
  uint32_t ToHostGid(uint32_t gid) const {
    return gid == vm_gid ? host_gid : gid;
  }
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_FILE_SYSTEM_OPTIONS_H_
