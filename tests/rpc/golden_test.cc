// Messages as protocol version 1 wrote them, kept in golden/: every later
// version has to read them as they were meant. To make the files of a new
// message, run with WARMFS_WRITE_GOLDEN=1; never write those again that a
// release has sent.

#include <capnp/any.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/rpc/wire_check.h"

namespace warmfs::rpc {
namespace {

Attr GoldenAttr() {
  Attr a{.id = {0x0123456789abcdef, 0xfedcba9876543210}, .ino = 4711};
  a.size = 5'000'000'000;
  a.blocks_512 = 9'765'632;
  a.rdev = 0x801;
  a.mode = 0100644;
  a.uid = 1000;
  a.gid = 1001;
  a.nlink = 2;
  a.atime = {-1, 999'999'999};
  a.mtime = {1'700'000'000, 123'456'789};
  a.ctime = {1'700'000'001, 1};
  a.racy = true;
  return a;
}

ListReply GoldenPage() {
  ListReply page;
  page.pos = {77, 78};
  page.dir = GoldenAttr();
  page.dir.mode = 040755;
  page.consistent = true;
  page.digest = {0x1111222233334444, 0x5555666677778888};
  DirEntry file{.name = "file\xff", .attr = GoldenAttr(), .target = ""};
  DirEntry link{.name = "link", .attr = GoldenAttr(), .target = "../t"};
  link.attr.mode = 0120777;
  page.entries = {file, link};
  page.cursor = 99;
  return page;
}

WriteRequest GoldenWrite() {
  return {.node = {"dir/file", GoldenAttr().id},
          .offset = 1 << 30,
          .data = std::string_view("some\0bytes", 10),
          .append = true,
          .retry = true};
}

NextReply GoldenEvents() {
  NextReply reply;
  reply.pos = {77, 79};
  reply.watches = 5;
  reply.refused = 6;
  reply.overflows = 7;
  Event moved{.sequence = 78, .kind = EventKind::kMovedTo, .own = true};
  moved.cookie = 42;
  moved.dir = GoldenAttr().id;
  moved.name = "file\xff";
  moved.dir_attr = GoldenAttr();
  moved.entry = GoldenAttr();
  moved.target = "../t";
  moved.taken = {1'700'000'002, 3};
  Event gone{.sequence = 79, .kind = EventKind::kDeleted};
  gone.directory = true;
  gone.dir = GoldenAttr().id;
  gone.name = "d";
  reply.events = {moved, gone};
  return reply;
}

void FillHello(wire::Hello::Builder hello) {
  hello.setProtocol(1);
  hello.setFeatures(0);
  hello.setSoftware("warmfs 0.1.0");
  hello.setInstance(0xabcdef);
}

std::string PathOf(const std::string& name) {
  return std::string(GOLDEN_DIRECTORY "/") + name + ".v1.bin";
}

void Save(const std::string& name, capnp::MessageBuilder& message) {
  std::ofstream out(PathOf(name), std::ios::binary);
  out << Bytes(message);
  ASSERT_TRUE(out.flush()) << PathOf(name);
}

class GoldenTest : public testing::Test {
 public:
  // KJ's own destructors may throw, those of GoogleTest may not.
  ~GoldenTest() noexcept override {}

 protected:
  template <typename Wire>
  typename Wire::Reader Load(const std::string& name) {
    std::ifstream in(PathOf(name), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_GT(bytes.size(), 0u) << PathOf(name);
    words_ = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    std::memcpy(words_.begin(), bytes.data(), words_.asBytes().size());
    reader_ = kj::heap<capnp::FlatArrayMessageReader>(words_);
    return reader_->getRoot<Wire>();
  }
  kj::Array<capnp::word> words_;
  kj::Own<capnp::FlatArrayMessageReader> reader_;
};

TEST_F(GoldenTest, Write) {
  if (std::getenv("WARMFS_WRITE_GOLDEN") == nullptr) {
    GTEST_SKIP() << "only with WARMFS_WRITE_GOLDEN=1";
  }
  capnp::MallocMessageBuilder hello, attr, page, write;
  FillHello(hello.initRoot<wire::Hello>());
  Save("hello", hello);
  Encode(GoldenAttr(), attr.initRoot<wire::Attr>());
  Save("attr", attr);
  Encode(GoldenPage(), page.initRoot<E::ListResults>());
  Save("list_results", page);
  Encode(GoldenWrite(), write.initRoot<E::WriteParams>());
  Save("write_params", write);
  capnp::MallocMessageBuilder next;
  Encode(GoldenEvents(), next.initRoot<E::NextResults>());
  Save("next_results", next);
}

TEST_F(GoldenTest, Hello) {
  const auto hello = Load<wire::Hello>("hello");
  EXPECT_EQ(hello.getProtocol(), 1u);
  EXPECT_EQ(hello.getFeatures(), 0u);
  EXPECT_STREQ(hello.getSoftware().cStr(), "warmfs 0.1.0");
  EXPECT_EQ(hello.getInstance(), 0xabcdefu);
}

TEST_F(GoldenTest, Attributes) {
  Attr attr;
  Decode(Load<wire::Attr>("attr"), attr);
  EXPECT_EQ(attr, GoldenAttr());
}

TEST_F(GoldenTest, APageOfAListing) {
  ListReply page;
  Decode(Load<E::ListResults>("list_results"), page);
  const ListReply expected = GoldenPage();
  EXPECT_EQ(page.error, 0);
  EXPECT_EQ(page.pos, expected.pos);
  EXPECT_EQ(page.dir, expected.dir);
  EXPECT_FALSE(page.unchanged);
  EXPECT_TRUE(page.consistent);
  EXPECT_EQ(page.digest, expected.digest);
  EXPECT_EQ(page.entries, expected.entries);
  EXPECT_EQ(page.cursor, 99u);
}

TEST_F(GoldenTest, AWrite) {
  WriteRequest write;
  Decode(Load<E::WriteParams>("write_params"), write);
  const WriteRequest expected = GoldenWrite();
  EXPECT_EQ(write.node.path, expected.node.path);
  EXPECT_EQ(write.node.id, expected.node.id);
  EXPECT_EQ(write.offset, expected.offset);
  EXPECT_EQ(write.data, expected.data);
  EXPECT_TRUE(write.append);
  EXPECT_TRUE(write.retry);
}

TEST_F(GoldenTest, Events) {
  NextReply reply;
  Decode(Load<E::NextResults>("next_results"), reply);
  const NextReply expected = GoldenEvents();
  EXPECT_EQ(reply.pos, expected.pos);
  EXPECT_FALSE(reply.new_epoch);
  EXPECT_EQ(reply.watches, 5u);
  EXPECT_EQ(reply.refused, 6u);
  EXPECT_EQ(reply.overflows, 7u);
  ASSERT_EQ(reply.events.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const Event &event = reply.events[i], &wanted = expected.events[i];
    EXPECT_EQ(event.sequence, wanted.sequence);
    EXPECT_EQ(event.kind, wanted.kind);
    EXPECT_EQ(event.own, wanted.own);
    EXPECT_EQ(event.directory, wanted.directory);
    EXPECT_EQ(event.cookie, wanted.cookie);
    EXPECT_EQ(event.dir, wanted.dir);
    EXPECT_EQ(event.name, wanted.name);
    EXPECT_EQ(event.dir_attr, wanted.dir_attr);
    EXPECT_EQ(event.entry, wanted.entry);
    EXPECT_EQ(event.target, wanted.target);
    EXPECT_EQ(event.taken, wanted.taken);
  }
}

// Hosts before the journal did not grant leases.
TEST_F(GoldenTest, APageOfAHostWithoutLeases) {
  ListReply page;
  page.leased = true;
  Decode(Load<E::ListResults>("list_results"), page);
  EXPECT_FALSE(page.leased);
}

// What a later version appends to a message is passed over.
TEST_F(GoldenTest, FieldsOfALaterVersionArePassedOver) {
  const auto old = capnp::AnyStruct::Reader(Load<wire::Attr>("attr"));
  capnp::MallocMessageBuilder later;
  const auto data = old.getDataSection();
  auto root = later.getRoot<capnp::AnyPointer>().initAsAnyStruct(
      data.size() / sizeof(capnp::word) + 4, 3);
  std::memset(root.getDataSection().begin(), 0xff,
              root.getDataSection().size());
  std::memcpy(root.getDataSection().begin(), data.begin(), data.size());
  root.getPointerSection()[2].setAs<capnp::Text>("something new");
  Attr attr;
  Decode(later.getRoot<wire::Attr>().asReader(), attr);
  EXPECT_EQ(attr, GoldenAttr());
}

// What an earlier version did not know of has its default.
TEST_F(GoldenTest, FieldsThatAnEarlierVersionLacksAreDefaults) {
  const auto now = capnp::AnyStruct::Reader(Load<wire::Attr>("attr"));
  capnp::MallocMessageBuilder earlier;
  auto root = earlier.getRoot<capnp::AnyPointer>().initAsAnyStruct(2, 0);
  std::memcpy(root.getDataSection().begin(), now.getDataSection().begin(), 16);
  Attr attr;
  Decode(earlier.getRoot<wire::Attr>().asReader(), attr);
  EXPECT_EQ(attr.id, GoldenAttr().id);
  EXPECT_EQ(attr.size, 0u);
  EXPECT_EQ(attr.mtime, Timestamp());
}

}  // namespace
}  // namespace warmfs::rpc
