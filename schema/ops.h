// The operations on an export, as plain values: one request and one reply for
// each. The client's channel sends a request and returns the reply; the host's
// export takes the request and makes the reply; rpc/wire.h carries both across.
//
// Rules that hold for every operation:
//  - A request names a node by its path beneath the export (no leading slash,
//    empty for the root, any bytes but NUL) and by the FileId that is expected
//    there. The host answers ESTALE if another object is there, or none and no
//    orphan of that FileId is kept.
//  - `error` is a Linux errno, 0 on success. On an error the other fields of a
//    reply hold nothing, except where a comment says otherwise.
//  - A mutating request carries `retry`: it was sent before and its reply was
//    lost, so finding its effect already there is success.
//  - A reply to a mutation carries the attributes before and after of all that
//    it changed (NFSv3's weak cache consistency, RFC 1813 section 2.6).
//  - string_view fields of a request are borrowed for the length of the call.

#ifndef WARMFS_SCHEMA_OPS_H_
#define WARMFS_SCHEMA_OPS_H_

#include "schema/ops_change.h"   // IWYU pragma: export
#include "schema/ops_common.h"   // IWYU pragma: export
#include "schema/ops_journal.h"  // IWYU pragma: export
#include "schema/ops_look.h"     // IWYU pragma: export

#endif  // WARMFS_SCHEMA_OPS_H_
