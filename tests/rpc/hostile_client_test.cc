// What a hostile client can make a daemon hold, and how it is cut off. The
// daemon is a process of its own, as it is in life.

#include <capnp/serialize.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "hostd/guarded_stream.h"
#include "tests/rpc/raw_client.h"

namespace warmfs::rpc {
namespace {

using hostd::GuardedStream;

constexpr uint32_t kFileBlocks = 16;  // 2 MiB: as much as one reply holds
constexpr uint64_t kMiB = 1024 * 1024;
// ThreadSanitizer remembers who touched each byte, in several others.
#ifdef __SANITIZE_THREAD__
constexpr uint64_t kBytesPerByte = 4;
#else
constexpr uint64_t kBytesPerByte = 1;
#endif

class HostileClientTest : public testing::Test {
 protected:
  ~HostileClientTest() override {
    EXPECT_TRUE(hostd_.Running());
    // Whatever was done to it, it serves others.
    RawClient other(hostd_.Connect());
    EXPECT_TRUE(other.Bootstrap() && other.Hello());
    EXPECT_TRUE(other.NextAnswer().has_value());
    EXPECT_TRUE(other.NextAnswer().has_value());
  }

  NodeRef BigFile() {
    std::ofstream(hostd_.root() / "big", std::ios::binary)
        << std::string(kFileBlocks * kBlockBytes, 'b');
    RawClient client(hostd_.Connect());
    const uint32_t attach = client.Open();
    const FileId root = client.AwaitRoot(attach);
    // Its id: by a look-up.
    EXPECT_TRUE(
        client.Call({attach, 1}, capnp::typeId<wire::Export>(), 1,
                    [&](capnp::AnyPointer::Builder params) {
                      Encode(LookupRequest{.dir = {"", root}, .name = "big"},
                             params.initAs<E::LookupParams>());
                    }));
    capnp::StreamFdMessageReader reader(client.fd());
    LookupReply reply;
    Decode(reader.getRoot<capnp::rpc::Message>()
               .getReturn()
               .getResults()
               .getContent()
               .getAs<E::LookupResults>(),
           reply);
    return {"big", reply.entry.id};
  }

  // The most that the daemon held until it had stopped growing for a while.
  uint64_t PeakResident() {
    uint64_t peak = 0;
    for (int quiet = 0; quiet < 50; ++quiet) {
      const uint64_t now = hostd_.ResidentBytes();
      if (now > peak + kMiB) quiet = 0;
      peak = std::max(peak, now);
      poll(nullptr, 0, 10);
    }
    return peak;
  }

  HostdProcess hostd_;
};

TEST_F(HostileClientTest, RepliesThatAreNotReadDoNotPileUp) {
  constexpr uint32_t kReads = 200;  // 400 MiB of replies
  RawClient client(hostd_.Connect());
  const NodeRef file = BigFile();
  const uint32_t attach = client.Open();
  client.AwaitRoot(attach);
  const uint64_t before = hostd_.ResidentBytes();
  // On a thread of its own: the daemon stops reading.
  std::thread flood([&] {
    for (uint32_t i = 0; i < kReads; ++i) {
      EXPECT_TRUE(client.Read(attach, file, kFileBlocks));
    }
  });
  const uint64_t peak = PeakResident();
  RecordProperty("grown_bytes", std::to_string(peak - before));
  std::printf("grown by %.1f MiB\n", double(peak - before) / kMiB);
  EXPECT_LT(peak - before, kBytesPerByte * 64 * kMiB);
  // And once it reads, it gets all of them.
  uint32_t answers = 0;
  for (auto answer = client.NextAnswer(true); answer && answer->error == 0;
       answer = client.NextAnswer(true)) {
    if (++answers == kReads) break;
  }
  flood.join();
  EXPECT_EQ(answers, kReads);
  EXPECT_LT(PeakResident() - before, kBytesPerByte * 64 * kMiB);
}

// An answer to bootstrap holds a capability, so that no version of the library
// forgets it before it is finished.
TEST_F(HostileClientTest, RequestsThatAreNotFinishedAreCutOff) {
  RawClient client(hostd_.Connect());
  size_t open = 0;
  while (open < 2 * GuardedStream::kMaxOpenAnswers && client.Bootstrap() &&
         client.NextAnswer()) {
    ++open;
  }
  EXPECT_EQ(open, GuardedStream::kMaxOpenAnswers);
}

TEST_F(HostileClientTest, RequestsThatAreFinishedAreNot) {
  RawClient client(hostd_.Connect());
  for (size_t i = 0; i < 3 * GuardedStream::kMaxOpenAnswers; ++i) {
    ASSERT_TRUE(client.Bootstrap());
    ASSERT_TRUE(client.NextAnswer().has_value()) << i;
    ASSERT_TRUE(client.Finish(client.last_question()));
  }
}

// To finish what was never asked must not make room for more.
TEST_F(HostileClientTest, MadeUpFinishesDoNotRaiseTheLimit) {
  RawClient client(hostd_.Connect());
  size_t open = 0;
  while (open < 3 * GuardedStream::kMaxOpenAnswers && client.Bootstrap() &&
         client.NextAnswer() && client.Finish(1'000'000)) {
    ++open;
  }
  EXPECT_LE(open, GuardedStream::kMaxOpenAnswers);
}

TEST_F(HostileClientTest, AnOversizedMessageIsCutOffBeforeItIsRead) {
  // Measured when it has started and served once.
  RawClient first(hostd_.Connect());
  ASSERT_TRUE(first.Bootstrap());
  ASSERT_TRUE(first.NextAnswer().has_value());
  const uint64_t before = hostd_.ResidentBytes();
  for (const uint32_t words : {513u * 1024, 1u << 20, 1u << 28, ~0u}) {
    RawClient client(hostd_.Connect());
    ASSERT_TRUE(client.Bootstrap());
    ASSERT_TRUE(client.NextAnswer().has_value());
    std::string header(8, '\0');  // one segment of that many words
    std::memcpy(header.data() + 4, &words, 4);
    ASSERT_TRUE(client.SendBytes(header + std::string(64, '\0')));
    EXPECT_TRUE(client.AtEnd()) << words;
  }
  EXPECT_LT(hostd_.ResidentBytes(), before + kBytesPerByte * 16 * kMiB);
}

TEST_F(HostileClientTest, AMessageOfTooManySegmentsIsCutOff) {
  for (const uint32_t segments : {1000u, 1u << 24, ~0u - 1}) {
    RawClient client(hostd_.Connect());
    std::string header(4, '\0');
    std::memcpy(header.data(), &segments, 4);
    ASSERT_TRUE(client.SendBytes(header + std::string(4096, '\1')));
    EXPECT_TRUE(client.AtEnd()) << segments;
  }
}

TEST_F(HostileClientTest, GarbageIsCutOff) {
  for (int seed = 1; seed <= 20; ++seed) {
    RawClient client(hostd_.Connect());
    std::string bytes(2048, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<char>((i * 2654435761u * seed) >> 13);
    }
    client.SendBytes(bytes);
    shutdown(client.fd(), SHUT_WR);
    EXPECT_TRUE(client.AtEnd()) << seed;
  }
}

TEST_F(HostileClientTest, LoginsBeyondTheLimitFail) {
  constexpr int kMaxLogins = 16;  // of hostd/service.cc
  RawClient client(hostd_.Connect());
  ASSERT_TRUE(client.Bootstrap());
  ASSERT_TRUE(client.NextAnswer().has_value());
  for (int i = 1; i <= kMaxLogins + 3; ++i) {
    ASSERT_TRUE(client.Login("sixteen bytes id"));
    const auto answer = client.NextAnswer();
    ASSERT_TRUE(answer.has_value()) << i;
    EXPECT_EQ(answer->is_exception, i > kMaxLogins) << i;
  }
}

TEST_F(HostileClientTest, AttachesBeyondTheLimitFail) {
  constexpr int kMaxLogins = 16;
  RawClient client(hostd_.Connect());
  ASSERT_TRUE(client.Bootstrap() && client.Login("sixteen bytes id"));
  const uint32_t login = client.last_question();
  ASSERT_TRUE(client.NextAnswer() && client.NextAnswer());
  for (int i = 1; i <= kMaxLogins + 3; ++i) {
    ASSERT_TRUE(client.Attach(login));
    const auto answer = client.NextAnswer();
    ASSERT_TRUE(answer.has_value()) << i;
    EXPECT_EQ(answer->is_exception, i > kMaxLogins) << i;
  }
}

TEST_F(HostileClientTest, AClientIdHasSixteenBytes) {
  RawClient client(hostd_.Connect());
  ASSERT_TRUE(client.Bootstrap());
  ASSERT_TRUE(client.NextAnswer().has_value());
  for (const std::string& id :
       {std::string(), std::string(15, 'i'), std::string(17, 'i'),
        std::string(60'000, 'i')}) {
    ASSERT_TRUE(client.Login(id));
    const auto answer = client.NextAnswer();
    EXPECT_TRUE(answer && answer->is_exception) << id.size();
  }
}

TEST_F(HostileClientTest, ClientsBeyondTheLimitAreToldToComeAgain) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (size_t i = 0; i <= hostd::Clients::kMaxClients; ++i) {
    auto& client =
        clients.emplace_back(std::make_unique<RawClient>(hostd_.Connect()));
    std::string id(16, 'i');
    id[0] = static_cast<char>(i);
    ASSERT_TRUE(client->Bootstrap() && client->Login(id));
    ASSERT_TRUE(client->NextAnswer().has_value());
    const auto answer = client->NextAnswer(true);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->error, i < hostd::Clients::kMaxClients ? 0 : EAGAIN);
  }
}

TEST_F(HostileClientTest, NothingIsReachedWithoutALogin) {
  RawClient client(hostd_.Connect());
  ASSERT_TRUE(client.Bootstrap());
  ASSERT_TRUE(client.NextAnswer().has_value());
  // The export's methods, asked of what every connection is given.
  ASSERT_TRUE(client.Call({}, capnp::typeId<wire::Export>(), 0,
                          [](capnp::AnyPointer::Builder params) {
                            params.initAs<E::GetAttrParams>();
                          }));
  const auto answer = client.NextAnswer();
  EXPECT_TRUE(answer && answer->is_exception);
}

}  // namespace
}  // namespace warmfs::rpc
