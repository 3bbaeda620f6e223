// What the backend promises of one stream, with a socket pair for the host's
// program and packets made by hand for the guest.

#include "tests/vm/vsock_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>

#include "rpc/socket.h"

namespace warmfs::vm {
namespace {

TEST(Credit, NothingIsSendableBeforeTheGuestSaidSo) {
  Credit credit;
  EXPECT_EQ(credit.Sendable(), 0u);
}

TEST(Credit, WhatIsOnItsWayIsSubtractedAcrossTheWrap) {
  Credit credit;
  credit.Sent(0xfffffff0u);
  credit.Heard({.buf_alloc = 100, .fwd_cnt = 0xfffffff0u});
  credit.Sent(40);
  EXPECT_EQ(credit.Sendable(), 60u);
  credit.Heard({.buf_alloc = 100, .fwd_cnt = 24});  // all 40, past the wrap
  EXPECT_EQ(credit.Sendable(), 100u);
}

TEST(Credit, AGuestThatForwardedMoreThanItGotGetsNothing) {
  Credit credit;
  credit.Sent(10);
  credit.Heard({.buf_alloc = 100, .fwd_cnt = 11});
  EXPECT_EQ(credit.Sendable(), 0u);
}

TEST(Credit, ABufferThatShrankBelowWhatIsOnItsWayIsNone) {
  Credit credit;
  credit.Sent(100);
  credit.Heard({.buf_alloc = 50, .fwd_cnt = 10});
  EXPECT_EQ(credit.Sendable(), 0u);
}

TEST(Credit, MoreThanTheBufferIsNotReceived) {
  Credit credit;
  EXPECT_TRUE(credit.Received(Credit::kBufferBytes));
  EXPECT_FALSE(credit.Received(1));
  credit.Forwarded(1);
  EXPECT_TRUE(credit.Received(1));
  EXPECT_FALSE(credit.Received(0xffffffffu));
}

TEST(Credit, AnUpdateIsDueUntilItIsTold) {
  Credit credit;
  ASSERT_TRUE(credit.Received(Credit::kBufferBytes));
  credit.Forwarded(Credit::kBufferBytes / 4 - 1);
  EXPECT_FALSE(credit.UpdateDue());
  credit.Forwarded(1);
  EXPECT_TRUE(credit.UpdateDue());
  PacketHeader packet;
  credit.Tell(packet);
  EXPECT_EQ(packet.fwd_cnt, Credit::kBufferBytes / 4);
  EXPECT_EQ(packet.buf_alloc, Credit::kBufferBytes);
  EXPECT_FALSE(credit.UpdateDue());
}

class VsockStreamTest : public testing::Test {
 protected:
  static constexpr uint32_t kGuestBuffer = 1000;

  void SetUp() override {
    auto pair = rpc::SocketPair();
    ASSERT_TRUE(pair.ok()) << pair.status();
    program_ = std::move(pair->first);
    ASSERT_EQ(fcntl(pair->second.get(), F_SETFL, O_NONBLOCK), 0);
    ASSERT_EQ(fcntl(program_.get(), F_SETFL, O_NONBLOCK), 0);
    stream_.emplace(std::move(pair->second), StreamAddress{3, 5000, 7070},
                    VsockStream::Origin::kGuest);
    Say(kRequest);
    ASSERT_EQ(NextOp(), kResponse);
  }

  void Say(uint16_t op, std::string_view payload = {}, uint32_t flags = 0) {
    PacketHeader packet;
    packet.op = op;
    packet.flags = flags;
    packet.length_bytes = payload.size();
    packet.buf_alloc = kGuestBuffer;
    packet.fwd_cnt = guest_forwarded_;
    stream_->Receive(packet, payload);
  }

  // What poll would tell now.
  void Poll() {
    const auto interest = stream_->Interest();
    if (!interest) return;
    pollfd polled = {stream_->socket(), *interest, 0};
    ASSERT_GE(poll(&polled, 1, 0), 0);
    if (polled.revents != 0) stream_->Polled(polled.revents);
  }

  // The op of the next packet for the guest, 0 if there is none; of data, the
  // bytes are in data_.
  int NextOp() {
    char room[300];
    const auto packet = stream_->Next({{room, 100}, {room + 100, 200}});
    if (!packet) return 0;
    last_ = *packet;
    data_.assign(room, packet->length_bytes);
    return packet->op;
  }

  // All data that the guest is sent until nothing more is.
  std::string Drained() {
    std::string all;
    Poll();
    while (NextOp() == kData) {
      all += data_;
      Poll();
    }
    return all;
  }

  std::string ProgramReads() {
    std::string text(2 * Credit::kBufferBytes, '\0');
    const ssize_t n = recv(program_.get(), text.data(), text.size(), 0);
    text.resize(n > 0 ? n : 0);
    return text;
  }

  void ProgramWrites(const std::string& text) {
    ASSERT_EQ(write(program_.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }

  UniqueFd program_;
  std::optional<VsockStream> stream_;
  uint32_t guest_forwarded_ = 0;
  PacketHeader last_;
  std::string data_;
};

TEST_F(VsockStreamTest, BytesGoBothWays) {
  Say(kData, "from the guest");
  EXPECT_EQ(ProgramReads(), "from the guest");
  ProgramWrites("to the guest");
  EXPECT_EQ(Drained(), "to the guest");
  EXPECT_EQ(last_.src_cid, kHostCid);
  EXPECT_EQ(last_.src_port, 7070u);
  EXPECT_EQ(last_.dst_cid, 3u);
  EXPECT_EQ(last_.dst_port, 5000u);
}

TEST_F(VsockStreamTest, NoMoreIsSentThanTheGuestHasRoomFor) {
  ProgramWrites(std::string(kGuestBuffer, 'a') + std::string(500, 'b'));
  EXPECT_EQ(Drained(), std::string(kGuestBuffer, 'a'));
  EXPECT_EQ(last_.op, kCreditRequest);
  EXPECT_EQ(NextOp(), 0) << "asked for credit once, not again and again";
  guest_forwarded_ = 200;
  Say(kCreditUpdate);
  EXPECT_EQ(Drained(), std::string(200, 'b'));
  guest_forwarded_ = kGuestBuffer;
  Say(kCreditUpdate);
  EXPECT_EQ(Drained(), std::string(300, 'b'));
}

TEST_F(VsockStreamTest, AGuestThatSendsMoreThanItMayIsReset) {
  const std::string chunk(64 * 1024, 'x');
  // Nobody reads: what the socket does not take stays here, up to a bound.
  int packets = 0;
  while (NextOp() != kReset) {
    ASSERT_LT(++packets, 1000);
    Say(kData, chunk);
  }
  EXPECT_TRUE(stream_->finished());
}

TEST_F(VsockStreamTest, WhatWasForwardedIsToldBeforeTheGuestRunsDry) {
  const std::string chunk(64 * 1024, 'x');
  uint32_t sent = 0;
  uint32_t told = 0;
  while (sent < 4 * Credit::kBufferBytes) {
    Say(kData, chunk);
    sent += chunk.size();
    ProgramReads();
    while (int op = NextOp()) {
      ASSERT_EQ(op, kCreditUpdate);
      told = last_.fwd_cnt;
    }
    ASSERT_LT(sent - told, Credit::kBufferBytes);
  }
}

TEST_F(VsockStreamTest, ACreditRequestIsAnswered) {
  Say(kCreditRequest);
  EXPECT_EQ(NextOp(), kCreditUpdate);
  EXPECT_EQ(last_.buf_alloc, Credit::kBufferBytes);
}

TEST_F(VsockStreamTest, HalfClosedByTheProgramItStillReads) {
  ProgramWrites("last words");
  shutdown(program_.get(), SHUT_WR);
  EXPECT_EQ(Drained(), "last words");
  EXPECT_EQ(last_.op, kShutdown);
  EXPECT_EQ(last_.flags, kSendsNoMore);
  Say(kData, "answer");
  EXPECT_EQ(ProgramReads(), "answer");
}

TEST_F(VsockStreamTest, AProgramThatHasGoneIsToldAfterItsLastBytes) {
  ProgramWrites("last words");
  program_.Reset();
  EXPECT_EQ(Drained(), "last words");
  EXPECT_EQ(last_.op, kShutdown);
  Poll();
  if (last_.flags != (kSendsNoMore | kReceivesNoMore)) {
    EXPECT_EQ(NextOp(), kShutdown);
  }
  EXPECT_EQ(last_.flags, kSendsNoMore | kReceivesNoMore);
  EXPECT_FALSE(stream_->Interest()) << "would be polled for ever";
}

TEST_F(VsockStreamTest, AGuestThatClosedIsResetOnceAllIsWritten) {
  Say(kData, "last words");
  Say(kShutdown, {}, kSendsNoMore | kReceivesNoMore);
  EXPECT_EQ(NextOp(), kReset);
  EXPECT_TRUE(stream_->finished());
  EXPECT_EQ(ProgramReads(), "last words");
}

TEST_F(VsockStreamTest, AnUnknownPacketResets) {
  Say(99);
  EXPECT_EQ(NextOp(), kReset);
}

}  // namespace
}  // namespace warmfs::vm
