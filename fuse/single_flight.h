// Lets one thread do what several want done, and gives them all its outcome.
//
// A thread that calls Run while another is doing the same (the same key) waits
// and returns that one's status. It does not ask again by itself: with a host
// that is away, waiters would otherwise wait one after the other.
//
// One who does several things at once takes with him (Several) what nobody is
// at; he waits for nobody, so nobody waits in a circle.
//
// Thread-safe. `work` runs without a lock.

#ifndef WARMFS_FUSE_SINGLE_FLIGHT_H_
#define WARMFS_FUSE_SINGLE_FLIGHT_H_

#include <memory>
#include <utility>
#include <vector>

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
    absl::Status status = work();
    End(key, status);
    return status;
  }

  // Belongs to one thread. At its end the others have the outcome.
  class Several {
   public:
    explicit Several(SingleFlight& all) : all_(all) {}
    ~Several() {
      for (const FileId& key : keys_) all_.End(key, status_);
    }
    Several(const Several&) = delete;
    Several& operator=(const Several&) = delete;

    // False: somebody is at it.
    bool Add(const FileId& key) {
      if (!all_.Join(key).second) return false;
      keys_.push_back(key);
      return true;
    }
    void SetOutcome(absl::Status status) { status_ = std::move(status); }

   private:
    SingleFlight& all_;
    std::vector<FileId> keys_;
    absl::Status status_;
  };

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

  void End(const FileId& key, absl::Status status) {
    absl::MutexLock lock(&mu_);
    const auto it = flights_.find(key);
    it->second->status = std::move(status);
    it->second->done = true;
    flights_.erase(it);
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
