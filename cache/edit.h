// What an Edit collects: operations in the order in which they were asked for.

#ifndef WARMFS_CACHE_EDIT_H_
#define WARMFS_CACHE_EDIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cache/cache.h"

namespace warmfs::cache {

struct EditOp {
  enum class Kind : uint8_t {
    kPutAttr,         // attr
    kPutEntry,        // id (of the directory), text (the name), target
    kRemoveEntry,     // id, text
    kPutTarget,       // attr, text (the target)
    kForget,          // id
    kMarkIncomplete,  // id
    kSetLease,        // id, number
    kSetCursor,       // target (hi: the journal, lo: the sequence number)
  };
  Kind kind;
  FileId id;
  FileId target;
  std::string text;
  Attr attr;
  uint64_t number = 0;
};

struct Edit::Rep {
  std::vector<EditOp> ops;
};

}  // namespace warmfs::cache

#endif  // WARMFS_CACHE_EDIT_H_
