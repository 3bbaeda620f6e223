#include "hostd/limits.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

namespace warmfs::hostd {
namespace {

// More than this is of no use, and keeps "infinity" out of the arithmetic.
constexpr rlim_t kMostFiles = 1 << 20;

rlim_t SoftLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return std::min(limit.rlim_cur, kMostFiles);
}

}  // namespace

uint64_t RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    const rlim_t wanted = std::min(limit.rlim_max, kMostFiles);
    if (limit.rlim_cur < wanted) {
      limit.rlim_cur = wanted;
      setrlimit(RLIMIT_NOFILE, &limit);
    }
  }
  return SoftLimit();
}

uint32_t HeldFileLimit() { return static_cast<uint32_t>(SoftLimit() / 4 * 3); }

void SetUmask() { umask(0); }

void IgnoreFileSizeSignal() { std::signal(SIGXFSZ, SIG_IGN); }

void PrepareProcess() {
  RaiseFileLimit();
  SetUmask();
  IgnoreFileSizeSignal();
}

}  // namespace warmfs::hostd
