// What a client has asked of its host: calls, bytes and latency by method.
//
// Counts are exact (tests assert them: a promise about work not done is a
// promise about these numbers). Latencies go into a histogram of powers of two
// of a microsecond's eighth, so a percentile is right to about 9 %.
//
// Thread-safe, lock-free.

#ifndef WARMFS_RPC_STATS_H_
#define WARMFS_RPC_STATS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "absl/time/time.h"

namespace warmfs::rpc {

enum class Method : uint8_t {
  kGetAttr,
  kLookup,
  kList,
  kListMore,
  kReadLink,
  kRead,
  kSeek,
  kStatFs,
  kGetXattr,
  kSetAttr,
  kCreate,
  kLink,
  kRemove,
  kRename,
  kWrite,
  kAllocate,
  kCopy,
  kSync,
  kSetXattr,
  kLock,
  kRelease,
  kNext,
  kFence,
  kListMany,
  kCount
};

std::string_view MethodName(Method method);

class LatencyHistogram {
 public:
  void Record(absl::Duration latency);
  uint64_t count() const;
  // 0 < fraction <= 1. ZeroDuration when nothing was recorded.
  absl::Duration Percentile(double fraction) const;

 private:
  // Eight buckets for each doubling, from 1 µs to about 18 minutes.
  static constexpr int kPerDoubling = 8;
  static constexpr int kBuckets = 30 * kPerDoubling;
  std::array<std::atomic<uint64_t>, kBuckets> buckets_ = {};
};

struct RpcStats {
  struct PerMethod {
    std::atomic<uint64_t> calls{0};
    LatencyHistogram latency;
  };
  std::array<PerMethod, static_cast<size_t>(Method::kCount)> methods;
  std::atomic<uint64_t> bytes_read{0};     // of file content received
  std::atomic<uint64_t> bytes_written{0};  // of file content sent
  std::atomic<uint64_t> reconnects{0};
  std::atomic<uint64_t> failures{0};  // calls that ended without an answer
  // Of all methods but kNext, which waits for something to happen.
  LatencyHistogram latency;

  PerMethod& of(Method m) { return methods[static_cast<size_t>(m)]; }
  const PerMethod& of(Method m) const {
    return methods[static_cast<size_t>(m)];
  }
  uint64_t TotalCalls() const;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_STATS_H_
