// A way to see the benchmarked directory at another place: warmfs, or a peer.
//
// Owned by one thread. Unmounts when it is destroyed.

#ifndef WARMFS_BENCH_SYSTEM_H_
#define WARMFS_BENCH_SYSTEM_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/results.h"

namespace warmfs::bench {

class System {
 public:
  explicit System(std::string name) : name_(std::move(name)) {}
  virtual ~System() = default;
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  const std::string& name() const { return name_; }
  virtual const std::string& mountpoint() const = 0;

  // With nothing kept from before.
  virtual absl::Status MountFresh() = 0;
  // With the cache of the mount before. Only if it keeps one.
  virtual bool keeps_cache() const = 0;
  virtual absl::Status MountAgain() = 0;
  // Nothing to do if it is not mounted.
  virtual absl::Status Unmount() = 0;

  // Its counters since it was mounted; none if it does not count.
  virtual absl::StatusOr<std::optional<Counts>> Count() = 0;

 private:
  const std::string name_;
};

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_SYSTEM_H_
