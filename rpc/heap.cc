#include "rpc/heap.h"

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace warmfs::rpc {

void KeepFreedMemory() {
#ifdef __GLIBC__
  // A request and its reply, as strings and as messages.
  constexpr int kKeptBytes = 8 * 1024 * 1024;
  mallopt(M_MMAP_THRESHOLD, kKeptBytes);
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
#endif
}

}  // namespace warmfs::rpc
