#include "bench/kernel_caches.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "schema/unique_fd.h"

namespace warmfs::bench {
namespace {

constexpr char kDropCaches[] = "/proc/sys/vm/drop_caches";

UniqueFd OpenDropCaches() {
  return UniqueFd(open(kDropCaches, O_WRONLY | O_CLOEXEC));
}

}  // namespace

bool MayDropKernelCaches() { return static_cast<bool>(OpenDropCaches()); }

absl::Status DropKernelCaches() {
  sync();  // a dirty page is not dropped
  UniqueFd file = OpenDropCaches();
  if (!file || write(file.get(), "3", 1) != 1) {
    return absl::ErrnoToStatus(errno, kDropCaches);
  }
  return absl::OkStatus();
}

}  // namespace warmfs::bench
