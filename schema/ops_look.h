// The operations that look; the rules for all operations are in ops.h.

#ifndef WARMFS_SCHEMA_OPS_LOOK_H_
#define WARMFS_SCHEMA_OPS_LOOK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schema/buffer.h"
#include "schema/ops_common.h"
#include "schema/types.h"

namespace warmfs {

struct AttrReply : Reply {
  Attr attr;
};

// `lease` here and in ListRequest: watch the directory before looking, if that
// can be done; the client follows the journal. `leased` in the reply: from the
// reply's position on the journal tells of every change in this directory, and
// to the attributes and content of what is in it.
struct LookupRequest {
  NodeRef dir;
  std::string_view name;
  bool lease = false;
};
// error ENOENT: `dir` is valid, the name is not there.
struct LookupReply : Reply {
  Attr entry;
  std::string target;  // of a symbolic link
  Attr dir;
  bool leased = false;
};

struct DirEntry {
  std::string name;
  Attr attr;
  std::string target;  // of a symbolic link

  bool operator==(const DirEntry&) const = default;
};

// The digest of a listing: the sum, modulo 2^128, of one hash per entry over
// name and attributes except atime and racy. It does not depend on order. Zero
// means "none": a listing with a racy entry has none.
struct Digest {
  uint64_t hi = 0;
  uint64_t lo = 0;

  bool IsNone() const { return hi == 0 && lo == 0; }
  void Add(const DirEntry& entry);
  bool operator==(const Digest&) const = default;
};

struct ListRequest {
  NodeRef dir;
  Digest known;  // what the client holds; none if nothing
  bool lease = false;
};
// One page of a listing, without "." and "..". When `unchanged`, the client's
// listing is still true and no entries follow. A directory with more entries
// than one page holds continues under `cursor`, which the host keeps open for
// the connection; 0 means that this was the last page, and only the last page
// carries the digest. `consistent` on the last page: the directory did not
// change while it was read.
struct ListReply : Reply {
  Attr dir;
  bool unchanged = false;
  bool consistent = true;
  Digest digest;
  std::vector<DirEntry> entries;
  uint64_t cursor = 0;
  bool leased = false;  // on every page, from the first page's position on
};

// Several listings in one message, asked for ahead of who wants them: the first
// is like any; of the others the host leaves off what comes after about
// `most_entries` in all, kMaxListEntries at most. Of a directory of several
// pages, but the first, the page has the error EFBIG: it is to be asked for by
// itself.
struct ListManyRequest {
  std::vector<ListRequest> dirs;  // at most kMaxListDirs
  uint32_t most_entries = 0;
};
// In the order of the request; the first is always there. The pages' positions
// are that of the reply.
struct ListManyReply : Reply {
  std::vector<ListReply> pages;
};

// Whole blocks of one file. known_hashes is empty, or holds for each block the
// XXH3-64 of what the client has (0: nothing).
struct ReadSpec {
  NodeRef node;
  uint64_t first_block = 0;
  uint32_t block_count = 0;
  std::vector<uint64_t> known_hashes;
};
struct BlockReply {
  bool unchanged = false;  // the client's hash is right; `bytes` is empty
  Buffer bytes;            // shorter than kBlockBytes only at the end of file
};
// Blocks from first_block on; fewer than asked for at the end of the file or
// when the reply is full. `stable`: the version was the same before and after
// the bytes were read, so they all belong to `attr`.
struct FileRead {
  int32_t error = 0;
  Attr attr;
  bool stable = false;
  std::vector<BlockReply> blocks;
};
struct ReadRequest {
  std::vector<ReadSpec> files;
};
// One FileRead for each file, in order; files that did not fit any more are
// left off at the end, but the first is always there.
struct ReadReply : Reply {
  std::vector<FileRead> files;
};

struct ReadLinkReply : Reply {
  std::string target;
};

struct SeekRequest {
  NodeRef node;
  uint64_t offset = 0;
  bool hole = false;  // SEEK_HOLE, otherwise SEEK_DATA
};
struct SeekReply : Reply {
  uint64_t offset = 0;
};

struct StatFsReply : Reply {
  uint64_t block_bytes = 0;
  uint64_t blocks = 0;
  uint64_t blocks_free = 0;
  uint64_t blocks_available = 0;
  uint64_t files = 0;
  uint64_t files_free = 0;
  uint32_t name_max = 0;
};

// name empty: list. The reply's value is then the names, each ended by NUL.
struct GetXattrRequest {
  NodeRef node;
  std::string_view name;
};
struct GetXattrReply : Reply {
  std::string value;
};

}  // namespace warmfs

#endif  // WARMFS_SCHEMA_OPS_LOOK_H_
