// Lets one thread do what several want done, and gives them all its outcome.
//
// A thread that calls Run while another is doing the same (the same key) waits
// and returns that one's status. It does not ask again by itself: with a host
// that is away, waiters would otherwise wait one after the other.
//
// Thread-safe. `work` runs without a lock.

#ifndef WARMFS_FUSE_SINGLE_FLIGHT_H_
#define WARMFS_FUSE_SINGLE_FLIGHT_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "schema/types.h"

namespace warmfs::fuse {

class SingleFlight {
 public:
  absl::Status Run(const FileId& key, absl::FunctionRef<absl::Status()> work) {
    auto [flight, leads] = Join(key);
    if (!leads) return Wait(*flight);
    flight->status = work();
    absl::MutexLock lock(&mu_);
    flight->done = true;
    flights_.erase(key);
    return flight->status;
  }

 private:
  struct Flight {
    bool done = false;
    absl::Status status;  // written by the leader before `done`
  };

  std::pair<std::shared_ptr<Flight>, bool> Join(const FileId& key) {
    absl::MutexLock lock(&mu_);
    std::shared_ptr<Flight>& flight = flights_[key];
    const bool leads = flight == nullptr;
    if (leads) flight = std::make_shared<Flight>();
    return {flight, leads};
  }

  absl::Status Wait(const Flight& flight) {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&flight.done));
    return flight.status;
  }

  absl::Mutex mu_;
  absl::flat_hash_map<FileId, std::shared_ptr<Flight>> flights_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_SINGLE_FLIGHT_H_
