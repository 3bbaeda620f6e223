// SIGINT, SIGTERM and SIGHUP as a flag, so that whatever is under way ends
// early and is cleaned up in the ordinary way. Process-wide.

#ifndef WARMFS_BENCH_INTERRUPT_H_
#define WARMFS_BENCH_INTERRUPT_H_

namespace warmfs::bench {

// A system call that waits is interrupted too.
void CatchInterrupts();
// The signal that came, or 0.
int Interrupted();

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_INTERRUPT_H_
