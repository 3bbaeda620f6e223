#include "rpc/stats.h"

#include <algorithm>
#include <cmath>

namespace warmfs::rpc {

std::string_view MethodName(Method method) {
  static constexpr std::string_view kNames[] = {
      "getattr",  "lookup", "list",     "list_more", "readlink", "read",
      "seek",     "statfs", "getxattr", "setattr",   "create",   "link",
      "remove",   "rename", "write",    "allocate",  "copy",     "sync",
      "setxattr", "lock",   "release",  "next",      "fence",    "list_many"};
  static_assert(std::size(kNames) == static_cast<size_t>(Method::kCount));
  return kNames[static_cast<size_t>(method)];
}

void LatencyHistogram::Record(absl::Duration latency) {
  const double micros = std::max(1.0, absl::ToDoubleMicroseconds(latency));
  const int bucket = static_cast<int>(std::log2(micros) * kPerDoubling);
  buckets_[std::min(bucket, kBuckets - 1)].fetch_add(1,
                                                     std::memory_order_relaxed);
}

uint64_t LatencyHistogram::count() const {
  uint64_t sum = 0;
  for (const auto& b : buckets_) sum += b.load(std::memory_order_relaxed);
  return sum;
}

absl::Duration LatencyHistogram::Percentile(double fraction) const {
  const uint64_t total = count();
  if (total == 0) return absl::ZeroDuration();
  const uint64_t wanted =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(fraction * total)));
  uint64_t seen = 0;
  for (int i = 0; i < kBuckets; ++i) {
    seen += buckets_[i].load(std::memory_order_relaxed);
    if (seen >= wanted) {
      return absl::Microseconds(std::exp2((i + 0.5) / kPerDoubling));
    }
  }
  return absl::InfiniteDuration();
}

uint64_t RpcStats::TotalCalls() const {
  uint64_t sum = 0;
  for (const PerMethod& m : methods) sum += m.calls;
  return sum;
}

}  // namespace warmfs::rpc
