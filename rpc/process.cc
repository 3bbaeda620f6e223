#include "rpc/process.h"

#include <cstdlib>

#include "absl/synchronization/mutex.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace warmfs::rpc {

void TuneProcess() {
#ifdef __GLIBC__
  // A request and its reply, as strings and as messages.
  constexpr int kKeptBytes = 8 * 1024 * 1024;
  mallopt(M_MMAP_THRESHOLD, kKeptBytes);
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
#endif
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace warmfs::rpc
