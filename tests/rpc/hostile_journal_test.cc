// What a hostile client can do with the journal's calls: positions that never
// were, counts without bounds, waits without end. The daemon is a process of
// its own, as it is in life.

#include <capnp/serialize.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/rpc/raw_client.h"

namespace warmfs::rpc {
namespace {

constexpr uint16_t kList = 2, kNext = 21, kFence = 22;
constexpr uint32_t kMostEvents = 4096;
constexpr uint32_t kForEver = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMiB = 1024 * 1024;

struct Told {
  int32_t error = -1;
  JournalPos pos;
  bool new_epoch = false;
  uint32_t events = 0;
};

class HostileJournalTest : public testing::Test {
 protected:
  ~HostileJournalTest() override {
    EXPECT_TRUE(hostd_.Running());
    // Whatever was done to it, it tells others.
    RawClient other(hostd_.Connect());
    const uint32_t attach = OpenAs(other, "the other client");
    EXPECT_TRUE(CallFence(other, attach));
    EXPECT_EQ(Await(other).error, 0);
  }

  static uint32_t OpenAs(RawClient& client, const std::string& id) {
    EXPECT_TRUE(client.Bootstrap() && client.Login(id) &&
                client.Attach(client.last_question()));
    const uint32_t attach = client.last_question();
    client.AwaitRoot(attach);
    return attach;
  }
  static bool CallNext(RawClient& client, uint32_t attach,
                       const NextRequest& request) {
    return client.Call({attach, 1}, capnp::typeId<wire::Export>(), kNext,
                       [&](capnp::AnyPointer::Builder params) {
                         Encode(request, params.initAs<E::NextParams>());
                       });
  }
  static bool CallFence(RawClient& client, uint32_t attach) {
    return client.Call({attach, 1}, capnp::typeId<wire::Export>(), kFence,
                       [](capnp::AnyPointer::Builder params) {
                         params.initAs<E::FenceParams>();
                       });
  }
  // The next answer, to a Next or a Fence.
  static Told Await(RawClient& client, bool finish = true) {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 1 << 24;
    while (true) {
      capnp::StreamFdMessageReader reader(client.fd(), options);
      const auto message = reader.getRoot<capnp::rpc::Message>();
      if (!message.isReturn()) continue;
      NextReply reply;
      Decode(
          message.getReturn().getResults().getContent().getAs<E::NextResults>(),
          reply);
      if (finish) client.Finish(message.getReturn().getAnswerId());
      return {reply.error, reply.pos, reply.new_epoch,
              static_cast<uint32_t>(reply.events.size())};
    }
  }
  Told Ask(RawClient& client, uint32_t attach, const NextRequest& request) {
    EXPECT_TRUE(CallNext(client, attach, request));
    return Await(client);
  }
  // Leases the root, and makes that many files there.
  JournalPos MakeEvents(RawClient& client, uint32_t attach, int files) {
    EXPECT_TRUE(client.Call({attach, 1}, capnp::typeId<wire::Export>(), kList,
                            [&](capnp::AnyPointer::Builder params) {
                              ListRequest request{.dir = {"", root_}};
                              request.lease = true;
                              Encode(request, params.initAs<E::ListParams>());
                            }));
    Await(client);
    for (int i = 0; i < files; ++i) {
      std::ofstream(hostd_.root() / ("f" + std::to_string(i))) << "x";
    }
    EXPECT_TRUE(CallFence(client, attach));
    return Await(client).pos;
  }
  uint64_t Threads() const { return hostd_.Field("Threads:"); }

  HostdProcess hostd_;
  FileId root_ = [this] {
    RawClient client(hostd_.Connect());
    return client.AwaitRoot(client.Open());
  }();
};

TEST_F(HostileJournalTest, PositionsThatNeverWereBeginANewEpoch) {
  RawClient client(hostd_.Connect());
  const uint32_t attach = OpenAs(client, "sixteen bytes id");
  const JournalPos head = MakeEvents(client, attach, 10);
  constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
  for (const JournalPos& garbage :
       {JournalPos{0, 0}, JournalPos{0, kLargest}, JournalPos{kLargest, 1},
        JournalPos{head.journal_id, head.sequence + 1},
        JournalPos{head.journal_id, kLargest},
        JournalPos{head.journal_id ^ 1, head.sequence}}) {
    // To be told so at once, and not after a wait.
    const Told told =
        Ask(client, attach,
            {.after = garbage, .max_events = kForEver, .wait_ms = kForEver});
    EXPECT_EQ(told.error, 0);
    EXPECT_TRUE(told.new_epoch) << garbage.sequence;
    EXPECT_EQ(told.events, 0u);
    EXPECT_EQ(told.pos, head);
  }
}

TEST_F(HostileJournalTest, CountsHaveBounds) {
  RawClient client(hostd_.Connect());
  const uint32_t attach = OpenAs(client, "sixteen bytes id");
  const JournalPos head = MakeEvents(client, attach, 3000);
  const JournalPos start{head.journal_id, 0};
  EXPECT_GE(head.sequence, 9000u);
  const Told all =
      Ask(client, attach, {.after = start, .max_events = kForEver});
  EXPECT_GT(all.events, 1000u);
  EXPECT_LE(all.events, kMostEvents) << "or 1 MiB of them";
  EXPECT_EQ(all.pos.sequence, all.events);
  EXPECT_EQ(Ask(client, attach, {.after = start, .max_events = 0}).events, 1u);
}

// One and the same stretch, again and again, by a client that does not read:
// the daemon holds a few answers, and not all of them.
TEST_F(HostileJournalTest, AnswersThatAreNotReadDoNotPileUp) {
  RawClient client(hostd_.Connect());
  const uint32_t attach = OpenAs(client, "sixteen bytes id");
  const JournalPos head = MakeEvents(client, attach, 3000);
  const uint64_t before = hostd_.ResidentBytes();
  constexpr int kCalls = 200;
  // On a thread of its own: the daemon stops reading.
  std::thread flood([&] {
    for (int i = 0; i < kCalls; ++i) {
      EXPECT_TRUE(
          CallNext(client, attach,
                   {.after = {head.journal_id, 0}, .max_events = kForEver}));
    }
  });
  uint64_t peak = 0;
  for (int quiet = 0; quiet < 50; ++quiet) {
    const uint64_t now = hostd_.ResidentBytes();
    if (now > peak + kMiB) quiet = 0;
    peak = std::max(peak, now);
    poll(nullptr, 0, 10);
  }
  std::printf("grown by %.1f MiB\n", double(peak - before) / kMiB);
  EXPECT_LT(peak - before, 128 * kMiB);
  // And once it reads, it gets all of them.
  for (int i = 0; i < kCalls; ++i) {
    EXPECT_GT(Await(client, /*finish=*/false).events, 1000u);
  }
  flood.join();
}

// A connection's calls are served one after another: whoever asks for many
// waits holds up itself, and nobody else.
TEST_F(HostileJournalTest, ManyWaitsHoldUpTheirOwnConnectionOnly) {
  RawClient client(hostd_.Connect());
  const uint32_t attach = OpenAs(client, "sixteen bytes id");
  const JournalPos head = MakeEvents(client, attach, 1);
  const uint64_t threads = Threads();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(CallNext(client, attach, {.after = head, .wait_ms = kForEver}));
  }
  EXPECT_EQ(Threads(), threads) << "a wait takes no thread of its own";
  const absl::Time start = absl::Now();
  RawClient other(hostd_.Connect());
  const uint32_t theirs = OpenAs(other, "the second other");
  const JournalPos later = MakeEvents(other, theirs, 5);
  EXPECT_GT(later.sequence, head.sequence);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  for (int i = 0; i < 100; ++i) EXPECT_GT(Await(client).events, 0u);
}

// Further connections of one client end each other's waits.
TEST_F(HostileJournalTest, OneClientWaitsOnceHoweverManyConnectionsItHas) {
  std::vector<std::unique_ptr<RawClient>> clients;
  JournalPos head;
  for (int i = 0; i < 32; ++i) {
    auto& client =
        clients.emplace_back(std::make_unique<RawClient>(hostd_.Connect()));
    const uint32_t attach = OpenAs(*client, "sixteen bytes id");
    if (i == 0) head = MakeEvents(*client, attach, 1);
    ASSERT_TRUE(CallNext(*client, attach, {.after = head, .wait_ms = 29'000}));
    if (i == 0) continue;
    // Only now does the next one ask: there is always one that waits.
    const Told told = Await(*clients[i - 1]);
    EXPECT_EQ(told.error, 0);
    EXPECT_EQ(told.events, 0u);
  }
}

// Nobody is left to be told: calls that were sent ahead, one of which waits and
// the others of which would when that one has ended, do not keep a connection.
TEST_F(HostileJournalTest, AClientThatLeavesWhileItWaitsIsLetGo) {
  RawClient host(hostd_.Connect());
  const JournalPos head = MakeEvents(host, OpenAs(host, "sixteen bytes id"), 1);
  const JournalPos later{head.journal_id, head.sequence + 3};
  const uint64_t before = Threads();
  for (int i = 0; i < 8; ++i) {
    RawClient client(hostd_.Connect());
    const uint32_t attach =
        OpenAs(client, "client number " + std::to_string(10 + i));
    ASSERT_TRUE(CallNext(client, attach, {.after = head, .wait_ms = kForEver}));
    for (int k = 0; k < 50; ++k) {
      ASSERT_TRUE(
          CallNext(client, attach, {.after = later, .wait_ms = kForEver}));
    }
  }
  std::ofstream(hostd_.root() / "another") << "x";
  const absl::Time limit = absl::Now() + absl::Seconds(15);
  while (Threads() > before && absl::Now() < limit) poll(nullptr, 0, 10);
  EXPECT_LE(Threads(), before);
}

}  // namespace
}  // namespace warmfs::rpc
