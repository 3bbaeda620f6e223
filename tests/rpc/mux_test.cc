// Several connections over one stream: they do not mix, they end one by one,
// and all of them end with the stream. A peer that breaks the rules is cut off.

#include "rpc/mux.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "rpc/socket.h"

namespace warmfs::rpc {
namespace {

UniqueFd Duplicate(const UniqueFd& fd) {
  return UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}

bool SendAll(const UniqueFd& fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

// Exactly `size` bytes, fewer at the end of the stream.
std::string Receive(const UniqueFd& fd, size_t size) {
  std::string bytes(size, '\0');
  const ssize_t n = recv(fd.get(), bytes.data(), size, MSG_WAITALL);
  bytes.resize(n < 0 ? 0 : n);
  return bytes;
}

bool AtEnd(const UniqueFd& fd) { return Receive(fd, 1).empty(); }

std::string Frame(uint32_t id, uint32_t length, std::string_view payload) {
  std::string frame(8, '\0');
  std::memcpy(frame.data(), &id, 4);
  std::memcpy(frame.data() + 4, &length, 4);
  return frame + std::string(payload);
}

// The side that accepts, and what it accepted.
class Acceptor {
 public:
  explicit Acceptor(UniqueFd stream)
      : out_(Duplicate(stream)),
        mux_(
            std::move(stream), std::move(out_),
            [this](UniqueFd fd) { Take(std::move(fd)); },
            [this] { ended_.Notify(); }) {}

  UniqueFd Next() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(
        +[](std::deque<UniqueFd>* q) { return !q->empty(); }, &accepted_));
    UniqueFd fd = std::move(accepted_.front());
    accepted_.pop_front();
    ++taken_;
    return fd;
  }
  size_t total() {
    absl::MutexLock lock(&mu_);
    return taken_ + accepted_.size();
  }
  void AwaitEnd() { ended_.WaitForNotification(); }
  Mux& mux() { return mux_; }

 private:
  void Take(UniqueFd fd) {
    absl::MutexLock lock(&mu_);
    accepted_.push_back(std::move(fd));
  }

  absl::Mutex mu_;
  std::deque<UniqueFd> accepted_ ABSL_GUARDED_BY(mu_);
  size_t taken_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Notification ended_;  // a second call would abort
  UniqueFd out_;
  Mux mux_;
};

class MuxTest : public testing::Test {
 protected:
  MuxTest() {
    auto pair = SocketPair();
    EXPECT_TRUE(pair.ok());
    ours_ = std::move(pair->first);
    acceptor_ = std::make_unique<Acceptor>(std::move(pair->second));
  }
  // Otherwise the test itself speaks on ours_.
  void StartClient() {
    UniqueFd out = Duplicate(ours_);
    client_ = std::make_unique<Mux>(std::move(ours_), std::move(out), nullptr,
                                    nullptr);
  }
  // A connection, and its other end.
  std::pair<UniqueFd, UniqueFd> Connect(const std::string& hello) {
    auto fd = client_->Open();
    EXPECT_TRUE(fd.ok()) << fd.status();
    EXPECT_TRUE(SendAll(*fd, hello));
    UniqueFd other = acceptor_->Next();
    EXPECT_EQ(Receive(other, hello.size()), hello);
    return {std::move(*fd), std::move(other)};
  }

  UniqueFd ours_;
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<Mux> client_;
};

TEST_F(MuxTest, ConnectionsDoNotMix) {
  StartClient();
  std::vector<std::pair<UniqueFd, UniqueFd>> pairs;
  for (int i = 0; i < 5; ++i) pairs.push_back(Connect(std::to_string(i)));
  for (int round = 0; round < 50; ++round) {
    for (auto& [near, far] : pairs) {
      const std::string text =
          std::to_string(round) + ":" + std::to_string(near.get());
      ASSERT_TRUE(SendAll(near, text));
      ASSERT_TRUE(SendAll(far, "re " + text));
    }
    for (auto& [near, far] : pairs) {
      const std::string text =
          std::to_string(round) + ":" + std::to_string(near.get());
      ASSERT_EQ(Receive(far, text.size()), text);
      ASSERT_EQ(Receive(near, text.size() + 3), "re " + text);
    }
  }
}

TEST_F(MuxTest, MuchMoreThanAFrameArrivesWhole) {
  StartClient();
  auto [near, far] = Connect("hello");
  std::string big;
  for (int i = 0; big.size() < 5'000'000; ++i) big += std::to_string(i);
  std::thread up([&] { EXPECT_TRUE(SendAll(near, big)); });
  std::thread down([&] { EXPECT_TRUE(SendAll(far, big)); });
  std::thread reader([&] { EXPECT_TRUE(Receive(near, big.size()) == big); });
  EXPECT_TRUE(Receive(far, big.size()) == big);
  up.join();
  down.join();
  reader.join();
}

TEST_F(MuxTest, OneEndsAndTheOthersGoOn) {
  StartClient();
  auto [a_near, a_far] = Connect("a");
  auto [b_near, b_far] = Connect("b");
  auto [c_near, c_far] = Connect("c");
  a_near.Reset();
  EXPECT_TRUE(AtEnd(a_far));
  b_far.Reset();
  EXPECT_TRUE(AtEnd(b_near));
  ASSERT_TRUE(SendAll(c_near, "still"));
  EXPECT_EQ(Receive(c_far, 5), "still");
  auto [d_near, d_far] = Connect("a new one");
  ASSERT_TRUE(SendAll(d_far, "there"));
  EXPECT_EQ(Receive(d_near, 5), "there");
}

TEST_F(MuxTest, BytesBeforeTheEndArrive) {
  StartClient();
  auto [near, far] = Connect("hello");
  const std::string last(300'000, 'l');
  std::thread writer([&, fd = std::move(near)]() mutable {
    EXPECT_TRUE(SendAll(fd, last));
    fd.Reset();
  });
  EXPECT_EQ(Receive(far, last.size() + 1).size(), last.size());
  writer.join();
}

TEST_F(MuxTest, TheEndOfTheStreamEndsAllConnections) {
  StartClient();
  auto [a_near, a_far] = Connect("a");
  auto [b_near, b_far] = Connect("b");
  client_.reset();
  acceptor_->AwaitEnd();
  for (const UniqueFd* fd : {&a_near, &b_near, &a_far, &b_far}) {
    EXPECT_TRUE(AtEnd(*fd));
  }
  EXPECT_FALSE(acceptor_->mux().alive());
  EXPECT_TRUE(absl::IsUnavailable(acceptor_->mux().Open().status()));
}

TEST_F(MuxTest, AConnectionThatWasNeverUsedEndsUnseen) {
  StartClient();
  client_->Open()->Reset();
  auto [near, far] = Connect("the first that was seen");
  EXPECT_EQ(acceptor_->total(), 1u);
}

// --- a peer that breaks the rules ---

TEST_F(MuxTest, AnOversizedFrameEndsTheStream) {
  ASSERT_TRUE(SendAll(ours_, Frame(1, 5, "hello")));
  const UniqueFd first = acceptor_->Next();
  EXPECT_EQ(Receive(first, 5), "hello");
  ASSERT_TRUE(SendAll(ours_, Frame(1, Mux::kMaxFrame + 1, "x")));
  acceptor_->AwaitEnd();
  EXPECT_TRUE(AtEnd(first));
}

TEST_F(MuxTest, TheLargestFrameIsCarried) {
  const std::string payload(Mux::kMaxFrame, 'p');
  ASSERT_TRUE(SendAll(ours_, Frame(1, Mux::kMaxFrame, payload)));
  EXPECT_TRUE(Receive(acceptor_->Next(), payload.size()) == payload);
}

TEST_F(MuxTest, AStreamThatEndsWithinAFrameEndsAll) {
  ASSERT_TRUE(SendAll(ours_, Frame(1, 5, "hello")));
  const UniqueFd first = acceptor_->Next();
  EXPECT_EQ(Receive(first, 5), "hello");
  ASSERT_TRUE(SendAll(ours_, Frame(1, 100, "not a hundred bytes")));
  ours_.Reset();
  acceptor_->AwaitEnd();
  EXPECT_TRUE(AtEnd(first));
}

TEST_F(MuxTest, APeerThatOpensTooManyIsCutOff) {
  std::vector<UniqueFd> accepted;
  for (uint32_t id = 1; id <= Mux::kMaxConnections; ++id) {
    ASSERT_TRUE(SendAll(ours_, Frame(id, 1, "x")));
    accepted.push_back(acceptor_->Next());
  }
  EXPECT_TRUE(acceptor_->mux().alive()) << "as many as are allowed";
  SendAll(ours_, Frame(Mux::kMaxConnections + 1, 1, "x"));
  acceptor_->AwaitEnd();
  EXPECT_EQ(acceptor_->total(), size_t{Mux::kMaxConnections});
}

TEST_F(MuxTest, ANumberIsNotOpenedTwice) {
  ASSERT_TRUE(SendAll(ours_, Frame(7, 1, "x")));
  acceptor_->Next().Reset();
  // The other side says that it is closed; what crosses that goes nowhere.
  EXPECT_EQ(Receive(ours_, 8), Frame(7, 0, ""));
  ASSERT_TRUE(SendAll(ours_, Frame(7, 1, "x") + Frame(3, 1, "x")));
  ASSERT_TRUE(SendAll(ours_, Frame(8, 1, "y")));
  EXPECT_EQ(Receive(acceptor_->Next(), 1), "y");
  EXPECT_EQ(acceptor_->total(), 2u);
}

TEST_F(MuxTest, ClosingWhatIsNotThereIsIgnored) {
  ASSERT_TRUE(SendAll(ours_, Frame(5, 0, "") + Frame(1, 2, "hi")));
  EXPECT_EQ(Receive(acceptor_->Next(), 2), "hi");
}

// The client's side lets nobody open anything.
TEST_F(MuxTest, AHostThatOpensConnectionsGetsNone) {
  auto pair = SocketPair();
  ASSERT_TRUE(pair.ok());
  UniqueFd out = Duplicate(pair->first);
  Mux client(std::move(pair->first), std::move(out), nullptr, nullptr);
  auto mine = client.Open();
  ASSERT_TRUE(mine.ok());
  ASSERT_TRUE(SendAll(*mine, "x"));
  EXPECT_EQ(Receive(pair->second, 9), Frame(1, 1, "x"));
  ASSERT_TRUE(SendAll(pair->second, Frame(9, 4, "evil") + Frame(1, 4, "good")));
  EXPECT_EQ(Receive(*mine, 4), "good");
}

}  // namespace
}  // namespace warmfs::rpc
