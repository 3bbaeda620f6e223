// Errors in the client: absl::Status with the errno as a payload, and the one
// place that turns a status into the errno that the kernel is told.
//
// Stateless and thread-safe.

#ifndef WARMFS_FUSE_ERRORS_H_
#define WARMFS_FUSE_ERRORS_H_

#include "absl/status/status.h"

namespace warmfs::fuse {

// A status that carries this errno; OK for 0.
absl::Status ErrnoError(int error);

// The errno that a status carries; for one without, the nearest by its code
// (EIO for anything unforeseen). 0 for OK.
int ToErrno(const absl::Status& status);

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_ERRORS_H_
