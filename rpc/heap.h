// Memory that is freed stays with the process, up to a bound for each heap.
//
// Messages of a mebibyte come and go with each call. Given back to the system
// each time, their pages are taken, cleared and mapped anew for the next one:
// a third of what the host daemon's time went to.

#ifndef WARMFS_RPC_HEAP_H_
#define WARMFS_RPC_HEAP_H_

namespace warmfs::rpc {

// Called from main, before any other thread runs.
void KeepFreedMemory();

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_HEAP_H_
