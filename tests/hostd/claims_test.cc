// Which events are a client's own: by kind, by place, and by the span of the
// queue that its request covered.

#include "hostd/claims.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "schema/unique_fd.h"
#include "tests/fakes/scripted_watch_source.h"

namespace warmfs::hostd {
namespace {

constexpr FileId kDir{1, 1}, kFile{2, 2};

Event Modified(const FileId& entry = kFile) {
  Event event;
  event.kind = EventKind::kModified;
  event.dir = kDir;
  event.name = "f";
  event.entry.id = entry;
  return event;
}

class ClaimsTest : public testing::Test {
 protected:
  ClaimsTest() {
    const UniqueFd root(open("/", O_PATH | O_CLOEXEC));
    int number = -1;
    source_.Add(root.get(), true, &number);
  }
  Claims::Ticket BeginOn(uint64_t client, const FileId& object) {
    Claim claim{.client = client, .object_kinds = kContentKinds};
    claim.objects = {object};
    return claims_.Begin(claim);
  }
  // The position of one more event.
  uint64_t Queue() {
    source_.Queue("/", IN_MODIFY);
    return source_.Mark();
  }
  ScriptedWatchSource source_;
  Claims claims_{source_};
};

TEST_F(ClaimsTest, OnlyWhatIsQueuedWithinTheSpan) {
  const uint64_t before = Queue();
  const auto ticket = BeginOn(7, kFile);
  const uint64_t within = Queue();
  EXPECT_EQ(claims_.OwnerOf(Modified(), within), 7u) << "while it lives";
  claims_.End(ticket);
  const uint64_t after = Queue();
  EXPECT_EQ(claims_.OwnerOf(Modified(), before), 0u);
  EXPECT_EQ(claims_.OwnerOf(Modified(), within), 7u) << "taken late";
  EXPECT_EQ(claims_.OwnerOf(Modified(), after), 0u);
}

TEST_F(ClaimsTest, ByObject) {
  BeginOn(7, kFile);
  const uint64_t at = Queue();
  EXPECT_EQ(claims_.OwnerOf(Modified({3, 3}), at), 0u);
  Event event = Modified();
  event.kind = EventKind::kDeleted;
  EXPECT_EQ(claims_.OwnerOf(event, at), 0u) << "another kind";
  event = Modified();
  event.dir = FileId();
  event.name = "";
  EXPECT_EQ(claims_.OwnerOf(event, at), 7u) << "told by the file itself";
}

TEST_F(ClaimsTest, OfADirectoryItself) {
  BeginOn(7, kDir);
  Event event;
  event.kind = EventKind::kAttributes;
  event.dir = kDir;
  EXPECT_EQ(claims_.OwnerOf(event, Queue()), 7u);
  event.name = "f";
  EXPECT_EQ(claims_.OwnerOf(event, Queue()), 0u) << "of what is in it";
}

TEST_F(ClaimsTest, ByName) {
  Claim claim{.client = 7, .name_kinds = KindBit(EventKind::kModified)};
  claim.names = {{kDir, "e"}, {kDir, "f"}};
  claims_.Begin(claim);
  const uint64_t at = Queue();
  EXPECT_EQ(claims_.OwnerOf(Modified(), at), 7u);
  Event event = Modified();
  event.name = "g";
  EXPECT_EQ(claims_.OwnerOf(event, at), 0u);
  event = Modified();
  event.dir = {9, 9};
  EXPECT_EQ(claims_.OwnerOf(event, at), 0u);
  event = Modified();
  event.kind = EventKind::kCreated;
  EXPECT_EQ(claims_.OwnerOf(event, at), 0u);
}

TEST_F(ClaimsTest, SpansOfSeveralClientsOverlap) {
  const auto first = BeginOn(7, kFile);
  const uint64_t one = Queue();
  BeginOn(8, {3, 3});
  const uint64_t two = Queue();
  claims_.End(first);
  const uint64_t three = Queue();
  EXPECT_EQ(claims_.OwnerOf(Modified(), one), 7u);
  EXPECT_EQ(claims_.OwnerOf(Modified(), two), 7u);
  EXPECT_EQ(claims_.OwnerOf(Modified({3, 3}), one), 0u);
  EXPECT_EQ(claims_.OwnerOf(Modified({3, 3}), two), 8u);
  EXPECT_EQ(claims_.OwnerOf(Modified(), three), 0u);
  EXPECT_EQ(claims_.OwnerOf(Modified({3, 3}), three), 8u);
}

TEST_F(ClaimsTest, AreForgottenWhenNothingOfThemIsLeftInTheQueue) {
  const auto ticket = BeginOn(7, kFile);
  const uint64_t at = Queue();
  claims_.Forget(at);
  EXPECT_EQ(claims_.size(), 1u) << "it lives";
  claims_.End(ticket);
  EXPECT_EQ(claims_.size(), 0u) << "all of it was taken before";
  const auto other = BeginOn(7, kFile);
  const uint64_t later = Queue();
  claims_.End(other);
  claims_.Forget(later - 1);
  EXPECT_EQ(claims_.size(), 1u);
  claims_.Forget(later);
  EXPECT_EQ(claims_.size(), 0u);
}

TEST_F(ClaimsTest, WithNothingQueuedNothingStays) {
  for (int i = 0; i < 1000; ++i) claims_.End(BeginOn(7, kFile));
  EXPECT_EQ(claims_.size(), 0u);
}

}  // namespace
}  // namespace warmfs::hostd
