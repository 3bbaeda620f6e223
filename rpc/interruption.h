// Calls off what a channel waits for, from another thread: the socket that it
// waits on is shut down, and it does not connect again.
//
// Thread-safe. The race between connecting and Interrupt: whichever comes
// second sees the other. A socket is handed over under the same lock under
// which the interruption is noted, so it is either refused or shut down.

#ifndef WARMFS_RPC_INTERRUPTION_H_
#define WARMFS_RPC_INTERRUPTION_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "schema/unique_fd.h"

namespace warmfs::rpc {

class Interruption {
 public:
  // For good: there is no way back.
  void Interrupt() ABSL_LOCKS_EXCLUDED(mu_);
  bool interrupted() const ABSL_LOCKS_EXCLUDED(mu_);

  // From now on Interrupt shuts this socket down. A duplicate is kept, so that
  // its number never means another socket. False: interrupted already.
  bool Guard(int socket) ABSL_LOCKS_EXCLUDED(mu_);
  void Unguard() ABSL_LOCKS_EXCLUDED(mu_);

  // Until then or the interruption.
  void SleepFor(absl::Duration duration) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  mutable absl::Mutex mu_;
  bool interrupted_ ABSL_GUARDED_BY(mu_) = false;
  UniqueFd socket_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_INTERRUPTION_H_
