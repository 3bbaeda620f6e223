// The connections that a server has, each served by a thread of its own, at
// most kMost at a time: a further one is closed at once.
//
// Thread-safe. The destructor hangs all up, and waits for the operation that
// each is in; nothing may be started any more by then.

#ifndef WARMFS_HOSTD_CONNECTIONS_H_
#define WARMFS_HOSTD_CONNECTIONS_H_

#include <cstddef>
#include <list>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace warmfs::hostd {

class Connections {
 public:
  static constexpr size_t kMost = 256;
  using Act = absl::AnyInvocable<void()>;

  Connections() = default;
  Connections(const Connections&) = delete;
  ~Connections();

  // `serve` is called on the connection's thread. `hang_up` makes it return
  // soon; it is called from another thread, never after serve has returned, and
  // is destroyed then. It has a descriptor of its own, so that what is shut
  // down is never a reused number.
  void Start(Act serve, Act hang_up) ABSL_LOCKS_EXCLUDED(mu_);
  // Joins the threads of those that have ended.
  void Reap() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Connection {
    std::thread thread;
    Act hang_up;        // guarded by mu_; null once it has ended
    bool done = false;  // guarded by mu_
  };

  absl::Mutex mu_;
  std::list<Connection> connections_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_CONNECTIONS_H_
