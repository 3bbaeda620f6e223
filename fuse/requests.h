// How many requests the kernel has sent, by kind. Exact: that warm work sends
// none is a promise, and tests hold these numbers against it.
//
// Thread-safe, lock-free.

#ifndef WARMFS_FUSE_REQUESTS_H_
#define WARMFS_FUSE_REQUESTS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace warmfs::fuse {

enum class Op : uint8_t {
  kLookup,
  kForget,
  kGetAttr,
  kSetAttr,
  kReadLink,
  kMknod,
  kMkdir,
  kUnlink,
  kRmdir,
  kSymlink,
  kRename,
  kLink,
  kOpen,
  kRead,
  kWrite,
  kFlush,
  kRelease,
  kFsync,
  kOpenDir,
  kReadDir,
  kReadDirPlus,
  kReleaseDir,
  kFsyncDir,
  kStatFs,
  kSetXattr,
  kGetXattr,
  kListXattr,
  kRemoveXattr,
  kCreate,
  kGetLock,
  kSetLock,
  kFlock,
  kFallocate,
  kCopyFileRange,
  kLseek,
  kInjected,  // of whatever kind, by the injector's own calls
  kCount
};

inline constexpr std::array<std::string_view, static_cast<size_t>(Op::kCount)>
    kOpNames = {"lookup",      "forget",
                "getattr",     "setattr",
                "readlink",    "mknod",
                "mkdir",       "unlink",
                "rmdir",       "symlink",
                "rename",      "link",
                "open",        "read",
                "write",       "flush",
                "release",     "fsync",
                "opendir",     "readdir",
                "readdirplus", "releasedir",
                "fsyncdir",    "statfs",
                "setxattr",    "getxattr",
                "listxattr",   "removexattr",
                "create",      "getlk",
                "setlk",       "flock",
                "fallocate",   "copy_file_range",
                "lseek",       "injected"};

class RequestCounts {
 public:
  void Add(Op op) {
    counts_[static_cast<size_t>(op)].fetch_add(1, std::memory_order_relaxed);
  }
  uint64_t of(Op op) const { return counts_[static_cast<size_t>(op)]; }
  uint64_t Total() const {
    uint64_t sum = 0;
    for (const auto& count : counts_) sum += count;
    return sum;
  }

 private:
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Op::kCount)> counts_ =
      {};
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_REQUESTS_H_
