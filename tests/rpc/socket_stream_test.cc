#include "rpc/socket_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>
#include <string>
#include <thread>

namespace warmfs::rpc {
namespace {

class SocketStreamTest : public testing::Test {
 protected:
  SocketStreamTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer_ = UniqueFd(fds[1]);
    stream_ = kj::heap<SocketStream>(io_.unixEventPort, UniqueFd(fds[0]));
  }
  // KJ's destructors may throw, GoogleTest's may not.
  ~SocketStreamTest() noexcept override {}

  void Send(const std::string& text) {
    ASSERT_EQ(send(peer_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  std::string Receive(size_t size) {
    std::string text(size, '\0');
    EXPECT_EQ(recv(peer_.get(), text.data(), size, MSG_WAITALL),
              static_cast<ssize_t>(size));
    return text;
  }
  std::string Read(size_t least, size_t most) {
    std::string text(most, '\0');
    text.resize(stream_->tryRead(text.data(), least, most).wait(io_.waitScope));
    return text;
  }
  static std::string Noise(size_t size) {
    std::mt19937 random(static_cast<uint32_t>(size));
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  UniqueFd peer_;
  kj::Own<SocketStream> stream_;
};

TEST_F(SocketStreamTest, ReadsWhatIsThereAndNoMoreThanAskedFor) {
  Send("head, body, rest");
  EXPECT_EQ(Read(4, 4), "head");
  EXPECT_EQ(Read(1, 6), ", body");
  EXPECT_EQ(Read(1, 100), ", rest");
}

TEST_F(SocketStreamTest, WaitsForTheLeast) {
  Send("one");
  std::string text(8, '\0');
  auto reading = stream_->tryRead(text.data(), 6, text.size());
  EXPECT_FALSE(reading.poll(io_.waitScope));
  Send("two");
  EXPECT_EQ(reading.wait(io_.waitScope), 6u);
  EXPECT_EQ(text.substr(0, 6), "onetwo");
}

TEST_F(SocketStreamTest, TheEndIsSeenWithWhatCameBeforeIt) {
  Send("last");
  peer_.Reset();
  EXPECT_EQ(Read(10, 10), "last");
  EXPECT_EQ(Read(1, 10), "");
  char byte;
  EXPECT_ANY_THROW(stream_->read(&byte, 1).wait(io_.waitScope));
}

TEST_F(SocketStreamTest, AWaitingReadSeesTheEnd) {
  char byte;
  auto reading = stream_->tryRead(&byte, 1, 1);
  EXPECT_FALSE(reading.poll(io_.waitScope));
  peer_.Reset();
  EXPECT_EQ(reading.wait(io_.waitScope), 0u);
}

// Of all sizes, smaller and larger than the buffer.
TEST_F(SocketStreamTest, BytesArriveInOrderWhateverTheSizes) {
  const std::string sent = Noise(3'000'000);
  std::thread sender([&] {
    std::mt19937 random(1);
    for (size_t at = 0; at < sent.size();) {
      const size_t n =
          std::min<size_t>(random() % 50'000 + 1, sent.size() - at);
      Send(sent.substr(at, n));
      at += n;
    }
  });
  std::mt19937 random(2);
  std::string received;
  while (received.size() < sent.size()) {
    const size_t most = std::min<size_t>(
        random() % 3 == 0 ? random() % 100'000 + 1 : random() % 200 + 1,
        sent.size() - received.size());
    received += Read(random() % most + 1, most);
  }
  sender.join();
  EXPECT_TRUE(received == sent);
}

// More than fits into the socket: the rest follows as room is made.
TEST_F(SocketStreamTest, AWriteThatDoesNotFitWaitsForRoom) {
  const std::string text = Noise(5'000'000);
  const auto* bytes = reinterpret_cast<const kj::byte*>(text.data());
  const kj::ArrayPtr<const kj::byte> pieces[] = {
      {bytes, 10}, {bytes + 10, size_t{0}}, {bytes + 10, text.size() - 10}};
  auto writing = stream_->write(kj::arrayPtr(pieces, 3));
  EXPECT_FALSE(writing.poll(io_.waitScope));
  std::string received;
  std::thread receiver([&] { received = Receive(text.size()); });
  writing.wait(io_.waitScope);
  receiver.join();
  EXPECT_TRUE(received == text);
  stream_->write("x", 1).wait(io_.waitScope);
  EXPECT_EQ(Receive(1), "x");
}

TEST_F(SocketStreamTest, AWriteToNobodyFailsAlsoIfItWaits) {
  const std::string text = Noise(5'000'000);
  auto writing = stream_->write(text.data(), text.size());
  EXPECT_FALSE(writing.poll(io_.waitScope));
  peer_.Reset();
  EXPECT_ANY_THROW(writing.wait(io_.waitScope));
  EXPECT_ANY_THROW(stream_->write("x", 1).wait(io_.waitScope));
}

TEST_F(SocketStreamTest, ShutDownEndsTheOtherSidesReading) {
  stream_->shutdownWrite();
  char byte;
  EXPECT_EQ(recv(peer_.get(), &byte, 1, 0), 0);
}

}  // namespace
}  // namespace warmfs::rpc
