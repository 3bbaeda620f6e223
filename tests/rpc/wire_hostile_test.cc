// What a hostile or a later peer may send: refused with a kj::Exception, and
// with nothing else.

#include <capnp/any.h>

#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "tests/rpc/wire_check.h"
#include "tests/rpc/wire_samples.h"

namespace warmfs::rpc {
namespace {

// True if it decodes, false if it is refused.
template <typename T, typename Reader>
bool Decodes(Reader in) {
  T out{};
  try {
    Decode(in, out);
    return true;
  } catch (const kj::Exception&) {
    return false;
  }
}

// The tag of a struct whose first member is an unnamed union.
template <typename Builder>
void SetTag(Builder builder, uint16_t tag) {
  capnp::AnyStruct::Builder any = capnp::toAny(builder);
  std::memcpy(any.getDataSection().begin(), &tag, sizeof(tag));
}

class WireHostileTest : public testing::Test {
 public:
  // KJ's own destructors may throw.
  ~WireHostileTest() noexcept override = default;

 protected:
  template <typename Wire, typename T>
  typename Wire::Builder Encoded(const T& value) {
    auto wire = message_.initRoot<Wire>();
    Encode(value, wire);
    return wire;
  }
  capnp::MallocMessageBuilder message_;
  Samples s_;
};

TEST_F(WireHostileTest, NanosecondsOverASecond) {
  for (const uint32_t nsec : {1'000'000'000u, 0x3fffffffu, 0x3ffffffeu, ~0u}) {
    auto attr = Encoded<wire::Attr>(s_.SomeAttr());
    ASSERT_TRUE(Decodes<Attr>(attr.asReader()));
    attr.getMtime().setNsec(nsec);
    EXPECT_FALSE(Decodes<Attr>(attr.asReader())) << nsec;
    attr = Encoded<wire::Attr>(s_.SomeAttr());
    attr.getCtime().setNsec(nsec);
    EXPECT_FALSE(Decodes<Attr>(attr.asReader())) << nsec;
    attr = Encoded<wire::Attr>(s_.SomeAttr());
    attr.getAtime().setNsec(nsec);
    EXPECT_FALSE(Decodes<Attr>(attr.asReader())) << nsec;
  }
}

// UTIME_NOW and UTIME_OMIT are nanoseconds to the kernel.
TEST_F(WireHostileTest, ATimeToSetHasNoSpecialNanoseconds) {
  SetAttrRequest request{.node = s_.Node()};
  request.mtime = TimeOrNow{.now = false, .time = s_.Time()};
  auto wire = Encoded<E::SetAttrParams>(request);
  ASSERT_TRUE(Decodes<SetAttrRequest>(wire.asReader()));
  for (const uint32_t nsec : {0x3fffffffu, 0x3ffffffeu, 1'000'000'000u}) {
    wire.getMtime().getTime().setNsec(nsec);
    EXPECT_FALSE(Decodes<SetAttrRequest>(wire.asReader())) << nsec;
  }
}

TEST_F(WireHostileTest, AnErrnoOutOfRange) {
  for (const int32_t error : {-1, 4096, INT32_MIN, INT32_MAX}) {
    auto attr = Encoded<E::GetAttrResults>(s_.Answer<AttrReply>());
    attr.getStatus().setError(error);
    EXPECT_FALSE(Decodes<AttrReply>(attr.asReader())) << error;
    ReadReply reply;
    reply.files.emplace_back();
    auto read = Encoded<E::ReadResults>(reply);
    ASSERT_TRUE(Decodes<ReadReply>(read.asReader()));
    read.getFiles()[0].setError(error);
    EXPECT_FALSE(Decodes<ReadReply>(read.asReader())) << error;
  }
  auto attr = Encoded<E::GetAttrResults>(s_.Answer<AttrReply>());
  attr.getStatus().setError(4095);
  EXPECT_TRUE(Decodes<AttrReply>(attr.asReader()));
}

TEST_F(WireHostileTest, EntryNamesThatNoDirectoryHas) {
  for (const std::string& name :
       {std::string("a/b"), std::string("/"), std::string("a\0b", 3),
        std::string("\0", 1), std::string("."), std::string(".."),
        std::string(), std::string(256, 'n')}) {
    ListReply page;
    page.entries.push_back({"good", s_.SomeAttr(), ""});
    page.entries.push_back({name, s_.SomeAttr(), ""});
    EXPECT_FALSE(Decodes<ListReply>(Encoded<E::ListResults>(page).asReader()))
        << testing::PrintToString(name);
    EXPECT_FALSE(
        Decodes<ListReply>(Encoded<E::ListMoreResults>(page).asReader()));
  }
  for (const std::string& name :
       {std::string("..."), std::string(255, 'n'), std::string("\xff\n ")}) {
    ListReply page;
    page.entries.push_back({name, s_.SomeAttr(), ""});
    EXPECT_TRUE(Decodes<ListReply>(Encoded<E::ListResults>(page).asReader()))
        << testing::PrintToString(name);
  }
}

TEST_F(WireHostileTest, EventsThatCannotBe) {
  NextReply reply;
  reply.events = {s_.SomeEvent(EventKind::kRevoked)};
  auto good = Encoded<E::NextResults>(reply);
  ASSERT_TRUE(Decodes<NextReply>(good.asReader()));
  good.getEvents()[0].setKind(8);
  EXPECT_FALSE(Decodes<NextReply>(good.asReader()));
  for (const std::string& name :
       {std::string("a/b"), std::string("."), std::string("..", 2),
        std::string("\0", 1), std::string(256, 'n')}) {
    reply.events[0].name = name;
    EXPECT_FALSE(Decodes<NextReply>(Encoded<E::NextResults>(reply).asReader()))
        << testing::PrintToString(name);
  }
  reply.events[0] = s_.SomeEvent(EventKind::kCreated);
  reply.events[0].dir = FileId();
  EXPECT_FALSE(Decodes<NextReply>(Encoded<E::NextResults>(reply).asReader()))
      << "a name in no directory";
  reply.events[0] = s_.SomeEvent(EventKind::kCreated);
  reply.events[0].taken.nsec = 1'000'000'000;
  EXPECT_FALSE(Decodes<NextReply>(Encoded<E::NextResults>(reply).asReader()));
}

TEST_F(WireHostileTest, ABlockThatIsTooLong) {
  ReadReply reply;
  reply.files.emplace_back().blocks.push_back(
      {.unchanged = false, .bytes = Buffer(kBlockBytes)});
  EXPECT_TRUE(Decodes<ReadReply>(Encoded<E::ReadResults>(reply).asReader()));
  reply.files[0].blocks[0].bytes = Buffer(kBlockBytes + 1);
  EXPECT_FALSE(Decodes<ReadReply>(Encoded<E::ReadResults>(reply).asReader()));
}

TEST_F(WireHostileTest, TooManyFilesInARead) {
  ReadRequest request;
  request.files.resize(kMaxReadFiles);
  EXPECT_TRUE(Decodes<ReadRequest>(Encoded<E::ReadParams>(request).asReader()));
  request.files.emplace_back();
  EXPECT_FALSE(
      Decodes<ReadRequest>(Encoded<E::ReadParams>(request).asReader()));
}

TEST_F(WireHostileTest, UnknownEnumerators) {
  for (const uint16_t value : {3, 4, 255, 65535}) {
    auto lock = Encoded<E::LockParams>(LockRequest());
    ASSERT_TRUE(Decodes<LockRequest>(lock.asReader()));
    lock.getLock().setType(static_cast<wire::Lock::Type>(value));
    EXPECT_FALSE(Decodes<LockRequest>(lock.asReader())) << value;
    lock = Encoded<E::LockParams>(LockRequest());
    lock.getLock().setKind(static_cast<wire::Lock::Kind>(value - 1));
    EXPECT_FALSE(Decodes<LockRequest>(lock.asReader())) << value - 1;
    auto reply = Encoded<E::LockResults>(LockReply());
    reply.getLock().setType(static_cast<wire::Lock::Type>(value));
    EXPECT_FALSE(Decodes<LockReply>(reply.asReader())) << value;
  }
}

// A member of a union that a later version added: not to be taken for one that
// we know.
TEST_F(WireHostileTest, UnknownMembersOfUnions) {
  auto set = Encoded<E::SetAttrParams>(SetAttrRequest());
  ASSERT_TRUE(Decodes<SetAttrRequest>(set.asReader()));
  SetTag(set.getAtime(), 3);
  EXPECT_FALSE(Decodes<SetAttrRequest>(set.asReader()));
  set = Encoded<E::SetAttrParams>(SetAttrRequest{.mode = 0644});
  SetTag(set.getMode(), 2);
  EXPECT_FALSE(Decodes<SetAttrRequest>(set.asReader()));
  ReadReply reply;
  reply.files.emplace_back().blocks.emplace_back();
  auto read = Encoded<E::ReadResults>(reply);
  ASSERT_TRUE(Decodes<ReadReply>(read.asReader()));
  SetTag(read.getFiles()[0].getBlocks()[0], 2);
  EXPECT_FALSE(Decodes<ReadReply>(read.asReader()));
}

TEST_F(WireHostileTest, AnOddReleaseListIsCutShort) {
  auto wire = Encoded<E::ReleaseParams>(ReleaseRequest());
  wire.initOrphans(3);
  ReleaseRequest request;
  Decode(wire.asReader(), request);
  EXPECT_EQ(request.orphans.size(), 1u);
}

// --- random damage ---

template <typename Wire, typename T>
void Damage(const T& value, uint32_t seed) {
  capnp::MallocMessageBuilder message;
  Encode(value, message.initRoot<Wire>());
  const kj::Array<capnp::word> good = capnp::messageToFlatArray(message);
  std::mt19937 random(seed);
  int refused = 0;
  for (int i = 0; i < 3'000; ++i) {
    kj::Array<capnp::word> bad = kj::heapArray<capnp::word>(good);
    auto* const data = reinterpret_cast<kj::byte*>(bad.begin());
    const size_t size = bad.size() * sizeof(capnp::word);
    for (uint32_t n = 1 + random() % 4; n > 0; --n) {
      data[random() % size] = static_cast<kj::byte>(random());
    }
    try {
      const size_t words =
          random() % 4 == 0 ? random() % (bad.size() + 1) : bad.size();
      capnp::FlatArrayMessageReader reader(bad.slice(0, words));
      refused += !Decodes<T>(reader.template getRoot<Wire>());
    } catch (const kj::Exception&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0) << "the damage did not reach anything";
  EXPECT_LT(refused, 3'000);
}

TEST_F(WireHostileTest, DamagedMessagesAreDecodedOrRefused) {
  auto page = s_.Answer<ListReply>();
  for (int i = 0; i < 5; ++i) {
    page.entries.push_back({s_.Text(), s_.SomeAttr(), s_.Text()});
  }
  Damage<E::ListResults>(page, 1);
  ReadRequest read{.files = {{s_.Node(), 1, 2, {3, 4}}, {s_.Node(), 5, 6, {}}}};
  Damage<E::ReadParams>(read, 2);
  auto content = s_.Answer<ReadReply>();
  content.files.push_back({.blocks = {{false, Buffer("bytes")}, {true, {}}}});
  Damage<E::ReadResults>(content, 3);
  SetAttrRequest set{.node = s_.Node(), .mode = 1, .uid = 2, .size = 3};
  set.mtime = TimeOrNow{.now = false, .time = s_.Time()};
  Damage<E::SetAttrParams>(set, 4);
  Damage<E::WriteParams>(WriteRequest{.node = s_.Node(), .data = "d"}, 5);
  Damage<E::LockParams>(LockRequest{.node = s_.Node()}, 6);
  Damage<E::ReleaseParams>(ReleaseRequest{.orphans = {s_.Id(), s_.Id()}}, 7);
  auto renamed = s_.Answer<RenameReply>();
  renamed.moved = s_.SomeAttr();
  Damage<E::RenameResults>(renamed, 8);
  Damage<E::SetXattrParams>(SetXattrRequest{.node = s_.Node(), .value = "v"},
                            9);
  auto next = s_.Answer<NextReply>();
  next.events = {s_.SomeEvent(EventKind::kCreated),
                 s_.SomeEvent(EventKind::kMovedTo)};
  Damage<E::NextResults>(next, 10);
}

}  // namespace
}  // namespace warmfs::rpc
