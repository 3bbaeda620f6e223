// Keeps what one peer can make this process hold bounded, whatever it sends:
//
//  - Replies that the peer does not read: while more than kMaxQueuedBytes of
//    them wait, no further message is read.
//  - Answers that the peer never finishes: Cap'n Proto remembers each call
//  until
//    the caller says that it is done with the result. A peer with more than
//    kMaxOpenAnswers of them is cut off. They are told apart by their numbers,
//    as there, since 1.0 ignores the end of what was never asked.
//
// In KJ's style, since it is a KJ type. Belongs to one event loop; `stream` and
// `network` outlive it.

#ifndef WARMFS_HOSTD_GUARDED_STREAM_H_
#define WARMFS_HOSTD_GUARDED_STREAM_H_

#include <capnp/message.h>
#include <capnp/rpc-twoparty.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize-async.h>
#include <kj/async-io.h>
#include <kj/debug.h>

#include <cstdint>

#include "absl/container/flat_hash_set.h"

namespace warmfs::hostd {

class GuardedStream final : public capnp::MessageStream {
 public:
  // More than the largest single reply: then the last one that waits is never
  // over the limit alone, and its end always wakes the reader.
  static constexpr size_t kMaxQueuedBytes = 8 * 1024 * 1024;
  static constexpr size_t kMaxOpenAnswers = 1024;

  explicit GuardedStream(kj::AsyncIoStream& stream) : inner(stream) {}

  // The network that sends through this stream, and counts what waits.
  void watch(capnp::TwoPartyVatNetwork& n) { network = &n; }

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(
      kj::ArrayPtr<kj::AutoCloseFd> fdSpace, capnp::ReaderOptions options,
      kj::ArrayPtr<capnp::word> scratchSpace) override {
    return whenDrained().then([this, fdSpace, options, scratchSpace]() {
      return inner.tryReadMessage(fdSpace, options, scratchSpace)
          .then([this](kj::Maybe<capnp::MessageReaderAndFds>&& message) {
            KJ_IF_MAYBE (m, message) {
              count(*m->reader);
            }
            return kj::mv(message);
          });
    });
  }

  kj::Promise<void> writeMessage(
      kj::ArrayPtr<const int> fds,
      kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override {
    sent(segments);
    return inner.writeMessage(fds, segments).attach(kj::defer([this]() {
      wake();
    }));
  }

  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>>
          messages) override {
    for (auto segments : messages) sent(segments);
    return inner.writeMessages(messages).attach(
        kj::defer([this]() { wake(); }));
  }

  kj::Maybe<int> getSendBufferSize() override {
    return inner.getSendBufferSize();
  }
  kj::Promise<void> end() override { return inner.end(); }

 private:
  kj::Promise<void> whenDrained() {
    if (network == nullptr ||
        network->getCurrentQueueSize() <= kMaxQueuedBytes) {
      return kj::READY_NOW;
    }
    auto paf = kj::newPromiseAndFulfiller<void>();
    written = kj::mv(paf.fulfiller);
    return paf.promise.then([this]() { return whenDrained(); });
  }

  void wake() {
    if (written.get() != nullptr) kj::mv(written)->fulfill();
    written = nullptr;
  }

  void count(capnp::MessageReader& reader) {
    auto message = reader.getRoot<capnp::rpc::Message>();
    switch (message.which()) {
      case capnp::rpc::Message::BOOTSTRAP:
        return opened(message.getBootstrap().getQuestionId());
      case capnp::rpc::Message::CALL:
        return opened(message.getCall().getQuestionId());
      case capnp::rpc::Message::FINISH:
        openAnswers.erase(message.getFinish().getQuestionId());
        break;
      default:
        break;
    }
  }

  void opened(uint32_t question) {
    openAnswers.insert(question);
    KJ_REQUIRE(openAnswers.size() <= kMaxOpenAnswers,
               "the peer leaves too many answers unfinished");
  }

  void sent(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
#if CAPNP_VERSION >= 1000000
    // An answer without capabilities is forgotten as it is sent, and a peer
    // that is told so does not finish it.
    capnp::SegmentArrayMessageReader reader(segments);
    auto message = reader.getRoot<capnp::rpc::Message>();
    if (message.isReturn() && message.getReturn().getNoFinishNeeded()) {
      openAnswers.erase(message.getReturn().getAnswerId());
    }
#endif
  }

  capnp::AsyncIoMessageStream inner;
  capnp::TwoPartyVatNetwork* network = nullptr;
  absl::flat_hash_set<uint32_t> openAnswers;
  kj::Own<kj::PromiseFulfiller<void>> written;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_GUARDED_STREAM_H_
