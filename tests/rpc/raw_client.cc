#include "tests/rpc/raw_client.h"

#include <capnp/serialize.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <kj/io.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>

#include "rpc/socket.h"
#include "rpc/wire_internal.h"

extern char** environ;

namespace warmfs::rpc {

// --- the process ---

HostdProcess::HostdProcess() {
  auto pair = SocketPair();
  EXPECT_TRUE(pair.ok());
  control_ = std::move(pair->first);
  std::string exported = "default=" + root_.path() + ":rw";
  std::string argv[] = {HOSTD_PROGRAM, "--quiet",  "--control-fd",
                        "3",           "--export", exported};
  std::vector<char*> args;
  for (std::string& arg : argv) args.push_back(arg.data());
  args.push_back(nullptr);
  // Freed memory that AddressSanitizer holds on to is not what the daemon
  // keeps.
  const char* options = getenv("ASAN_OPTIONS");
  setenv(
      "ASAN_OPTIONS",
      (std::string(options ? options : "") + ":quarantine_size_mb=8").c_str(),
      /*overwrite=*/1);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pair->second.get(), 3);
  EXPECT_EQ(
      posix_spawn(&pid_, args[0], &actions, nullptr, args.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
}

HostdProcess::~HostdProcess() {
  control_.Reset();  // its end ends the daemon
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

UniqueFd HostdProcess::Connect() {
  auto pair = SocketPair();
  EXPECT_TRUE(pair.ok() && SendFd(control_.get(), pair->second).ok());
  return std::move(pair->first);
}

uint64_t HostdProcess::ResidentBytes() const { return Field("VmRSS:") * 1024; }

uint64_t HostdProcess::Field(const std::string& name) const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/status");
  std::string word;
  while (in >> word) {
    uint64_t value = 0;
    if (word == name && in >> value) return value;
  }
  ADD_FAILURE() << "the daemon is gone";
  return 0;
}

bool HostdProcess::Running() const {
  siginfo_t info = {};
  return waitid(P_PID, pid_, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

// --- messages ---

bool RawClient::SendBytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

bool RawClient::Send(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return SendBytes(
      {reinterpret_cast<const char*>(bytes.begin()), bytes.size()});
}

bool RawClient::Bootstrap() {
  capnp::MallocMessageBuilder message;
  message.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(
      next_++);
  return Send(message);
}

bool RawClient::Call(Target target, uint64_t interface_id, uint16_t method,
                     const Fill& fill) {
  capnp::MallocMessageBuilder message;
  auto call = message.initRoot<capnp::rpc::Message>().initCall();
  call.setQuestionId(next_++);
  auto promised = call.initTarget().initPromisedAnswer();
  promised.setQuestionId(target.question);
  if (target.field) {
    promised.initTransform(1)[0].setGetPointerField(*target.field);
  }
  call.setInterfaceId(interface_id);
  call.setMethodId(method);
  fill(call.initParams().getContent());
  return Send(message);
}

bool RawClient::Finish(uint32_t question) {
  capnp::MallocMessageBuilder message;
  message.initRoot<capnp::rpc::Message>().initFinish().setQuestionId(question);
  return Send(message);
}

bool RawClient::Hello() {
  return Call(
      {}, capnp::typeId<wire::Host>(), 0,
      [](capnp::AnyPointer::Builder params) {
        params.initAs<wire::Host::HelloParams>().initClient().setSoftware(
            "raw");
      });
}

bool RawClient::Login(std::string_view client_id) {
  return Call(
      {}, capnp::typeId<wire::Host>(), 1,
      [&](capnp::AnyPointer::Builder params) {
        params.initAs<wire::Host::LoginParams>().setClientId(ToData(client_id));
      });
}

bool RawClient::Attach(uint32_t login) {
  // The session is the second pointer of login's results.
  return Call(
      {login, 1}, capnp::typeId<wire::Session>(), 0,
      [](capnp::AnyPointer::Builder params) {
        params.initAs<wire::Session::AttachParams>().setExport("default");
      });
}

uint32_t RawClient::Open() {
  EXPECT_TRUE(Bootstrap() && Login("sixteen bytes id") &&
              Attach(last_question()));
  return last_question();
}

bool RawClient::Read(uint32_t attach, const NodeRef& node, uint32_t blocks) {
  // The export is the second pointer of attach's results.
  return Call({attach, 1}, capnp::typeId<wire::Export>(), 5,
              [&](capnp::AnyPointer::Builder params) {
                ReadRequest request;
                request.files.push_back({node, 0, blocks, {}});
                Encode(request, params.initAs<E::ReadParams>());
              });
}

std::optional<RawClient::Answer> RawClient::NextAnswer(bool with_status) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 1 << 24;
  try {
    while (true) {
      capnp::StreamFdMessageReader reader(fd_.get(), options);
      const auto message = reader.getRoot<capnp::rpc::Message>();
      if (message.isAbort()) return std::nullopt;
      if (!message.isReturn()) continue;
      const auto back = message.getReturn();
      Answer answer{.question = back.getAnswerId(),
                    .is_exception = back.isException()};
      if (with_status && back.isResults()) {
        // Status is the first pointer of every reply.
        answer.error = back.getResults()
                           .getContent()
                           .getAs<E::GetAttrResults>()
                           .getStatus()
                           .getError();
      }
      return answer;
    }
  } catch (const kj::Exception&) {
    return std::nullopt;
  }
}

FileId RawClient::AwaitRoot(uint32_t attach) {
  while (true) {
    capnp::StreamFdMessageReader reader(fd_.get());
    const auto message = reader.getRoot<capnp::rpc::Message>();
    if (!message.isReturn()) continue;
    if (message.getReturn().getAnswerId() != attach) continue;
    // The library's capabilities are not set up: read the struct as it is.
    const auto results =
        message.getReturn().getResults().getContent().getAs<capnp::AnyStruct>();
    const auto root =
        results.getPointerSection()[2].getAs<wire::ExportInfo>().getRoot();
    return {root.getHi(), root.getLo()};
  }
}

}  // namespace warmfs::rpc
