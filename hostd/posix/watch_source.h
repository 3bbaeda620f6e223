// Where changes are heard of: watches on single objects, and a queue of what
// happened to them, in the words of inotify(7).
//
// The queue is a stream with positions: a number that only grows. Each event
// ends at a position, and Mark is the position behind the last event queued.
// An event is queued during the system call that causes it, so whoever takes a
// mark after a system call returned has that call's events before the mark:
// that is what fences and claims are made of.
//
// Thread-safe, but Wait and Take belong to one thread.

#ifndef WARMFS_HOSTD_POSIX_WATCH_SOURCE_H_
#define WARMFS_HOSTD_POSIX_WATCH_SOURCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "hostd/claims.h"
#include "schema/types.h"

namespace warmfs::hostd {

struct RawEvent {
  int watch = -1;       // -1: the queue overflowed, events are lost
  uint32_t mask = 0;    // one of inotify's IN_, and IN_ISDIR
  uint32_t cookie = 0;  // of the two halves of a move
  std::string name;     // empty: it happened to the watched object itself
  uint64_t end = 0;     // position
  Timestamp taken;      // the host's clock when it was taken
};

class WatchSource : public EventQueue {
 public:
  // Watches the object behind a descriptor. An object that is watched already
  // has the same number again. Numbers of watches that are gone are not given
  // again. An errno, 0 on success; ENOSPC: no more watches.
  virtual int Add(int fd, bool directory, int* number) = 0;
  // What it has queued stays queued; IN_IGNORED follows.
  virtual void Remove(int number) = 0;

  // Until something is queued, Wake was called, or `timeout` is over.
  virtual void Wait(absl::Duration timeout) = 0;
  virtual void Wake() = 0;
  // Appends all that is queued at the time of the call, and does not wait.
  virtual void Take(std::vector<RawEvent>* out) = 0;

  // What is not the same for all of them.
  struct Ways {
    // Like events between two marks may be told as one, in the first one's
    // place.
    bool merges = false;
    // What is done to a watched directory's attributes is told to a watch on
    // its parent as well, by name and ahead.
    bool tells_parents = true;
  };
  virtual Ways ways() const { return {}; }
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_WATCH_SOURCE_H_
