// One filled-in value of every request and reply, no two fields of which are
// alike, for the tests of the wire.

#ifndef WARMFS_TESTS_RPC_WIRE_SAMPLES_H_
#define WARMFS_TESTS_RPC_WIRE_SAMPLES_H_

#include <cstdint>
#include <string>

#include "schema/ops.h"

namespace warmfs::rpc {

class Samples {
 public:
  uint64_t Number() { return ++last_; }
  uint32_t Small() { return static_cast<uint32_t>(Number()); }
  std::string Text() { return "text-" + std::to_string(Number()); }
  FileId Id() { return {Number() << 40, Number() << 40}; }
  Timestamp Time() { return {-static_cast<int64_t>(Number()), Small()}; }
  NodeRef Node() { return {"dir/" + Text(), Id()}; }
  Change Changed() { return {SomeAttr(), SomeAttr()}; }

  Attr SomeAttr() {
    Attr a{.id = Id(), .ino = Number(), .size = Number() << 33};
    a.blocks_512 = Number();
    a.rdev = Number();
    a.mode = 0100000 | Small();
    a.uid = Small();
    a.gid = Small();
    a.nlink = Small();
    a.atime = Time();
    a.mtime = Time();
    a.ctime = Time();
    a.racy = true;
    return a;
  }

  Event SomeEvent(EventKind kind) {
    Event e{.sequence = Number(), .kind = kind, .own = true};
    e.directory = true;
    e.cookie = Small();
    e.dir = Id();
    e.name = Text();
    e.dir_attr = SomeAttr();
    e.entry = SomeAttr();
    e.target = Text();
    e.taken = Time();
    return e;
  }

  template <typename R>
  R Answer() {
    R reply;
    reply.error = static_cast<int32_t>(Small());
    reply.pos = {Number(), Number()};
    return reply;
  }

 private:
  uint64_t last_ = 0;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_TESTS_RPC_WIRE_SAMPLES_H_
