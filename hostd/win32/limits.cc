#include "hostd/limits.h"

namespace warmfs::hostd {
namespace {

// A process of Windows may have 16 million handles; this is what it costs
// memory for.
constexpr uint32_t kMostHandles = 256 * 1024;

}  // namespace

uint64_t RaiseFileLimit() { return kMostHandles; }

uint32_t HeldFileLimit() { return kMostHandles / 4 * 3; }

void SetUmask() {}

void IgnoreFileSizeSignal() {}

void PrepareProcess() {}

}  // namespace warmfs::hostd
