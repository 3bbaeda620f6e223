// What the process is set to before it serves: called from main, before any
// other thread runs.

#ifndef WARMFS_HOSTD_LIMITS_H_
#define WARMFS_HOSTD_LIMITS_H_

#include <cstdint>

namespace warmfs::hostd {

// Raises the limit on open files to the hard limit; returns the limit now.
uint64_t RaiseFileLimit();

// How many of them may be held for clients: three quarters of the limit.
uint32_t HeldFileLimit();

// Modes come from the VM, where the application's umask is applied already.
void SetUmask();

// A write over RLIMIT_FSIZE is to answer EFBIG, not to end the daemon.
void IgnoreFileSizeSignal();

// All of it.
void PrepareProcess();

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_LIMITS_H_
