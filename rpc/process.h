// What client and host daemon set for the whole of their process.

#ifndef WARMFS_RPC_PROCESS_H_
#define WARMFS_RPC_PROCESS_H_

namespace warmfs::rpc {

// Called from main, before any other thread runs.
//
// Memory that is freed stays with the process, up to a bound for each heap.
// Messages of a mebibyte come and go with each call. Given back to the system
// each time, their pages are taken, cleared and mapped anew for the next one: a
// third of what the host daemon's time went to.
//
// Abseil's mutexes do not look for cycles. Debian's library is built so that
// they do, with one lock for the whole process. The tests leave it on.
void TuneProcess();

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_PROCESS_H_
