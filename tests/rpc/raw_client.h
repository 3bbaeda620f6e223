// A client that speaks Cap'n Proto's RPC by hand, message by message, and so
// can break the rules that the library keeps: it never has to read, nor to say
// that it is done with a result.
//
// Thread-compatible.

#ifndef WARMFS_TESTS_RPC_RAW_CLIENT_H_
#define WARMFS_TESTS_RPC_RAW_CLIENT_H_

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "rpc/wire.h"
#include "schema/unique_fd.h"
#include "tests/rpc/host.h"

namespace warmfs::rpc {

// A warmfs-hostd of its own process, which takes connections that are passed to
// it. It exports one directory as "default".
class HostdProcess {
 public:
  HostdProcess();
  ~HostdProcess();

  UniqueFd Connect();
  uint64_t ResidentBytes() const;
  // Of /proc/PID/status, as "Threads:".
  uint64_t Field(const std::string& name) const;
  // Also false when it has crashed.
  bool Running() const;
  const TempDir& root() const { return root_; }

 private:
  TempDir root_;
  UniqueFd control_;
  pid_t pid_ = 0;
};

class RawClient {
 public:
  // Where a call goes: to the pointer field of an earlier call's results, or,
  // without a field, to what Bootstrap gave.
  struct Target {
    uint32_t question = 0;
    std::optional<uint16_t> field;
  };
  struct Answer {
    uint32_t question = 0;
    bool is_exception = false;
    int32_t error = -1;  // of the results' status, if asked for
  };
  using Fill = std::function<void(capnp::AnyPointer::Builder)>;

  explicit RawClient(UniqueFd fd) : fd_(std::move(fd)) {}

  // Each is a question, numbered from 0 on. False: the connection has ended.
  bool Bootstrap();
  bool Call(Target target, uint64_t interface_id, uint16_t method,
            const Fill& fill);
  bool Finish(uint32_t question);
  bool SendBytes(std::string_view bytes);
  uint32_t last_question() const { return next_ - 1; }

  bool Hello();
  bool Login(std::string_view client_id);
  // Of the session that this login gave.
  bool Attach(uint32_t login);
  // Bootstrap, login, attach: the question that the export came with.
  uint32_t Open();
  // Reads the first blocks of as many files, all of the same name.
  bool Read(uint32_t attach, const NodeRef& node, uint32_t blocks);

  // The next Return; nothing at the end of the connection, or if it is aborted.
  std::optional<Answer> NextAnswer(bool with_status = false);
  bool AtEnd() { return !NextAnswer(); }
  // The id of the export's root, from the answer to an attach.
  FileId AwaitRoot(uint32_t attach);
  int fd() const { return fd_.get(); }

 private:
  bool Send(capnp::MessageBuilder& message);

  UniqueFd fd_;
  uint32_t next_ = 0;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_TESTS_RPC_RAW_CLIENT_H_
