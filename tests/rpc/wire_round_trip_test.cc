// Every request and every reply goes over the wire and comes back as it was.

#include "tests/rpc/wire_check.h"
#include "tests/rpc/wire_samples.h"

namespace warmfs::rpc {
namespace {

const std::set<std::string> kNoMessage = {"status.message"};

class WireRoundTripTest : public testing::Test {
 protected:
  Samples s_;
};

TEST_F(WireRoundTripTest, Vocabulary) {
  ExpectRoundTrip<wire::Attr>(s_.SomeAttr());
  ExpectRoundTrip<wire::NodeRef>(s_.Node());
  ExpectRoundTrip<wire::Change>(s_.Changed());
  ExpectRoundTrip<wire::Status>(s_.Answer<Reply>(), {"message"});
  ExportInfo info{.name = "src", .read_only = true, .root = s_.Id()};
  info.identity = std::string("\0\xff/binary", 9);
  info.host_uid = s_.Small();
  info.host_gid = s_.Small();
  ExpectRoundTrip<wire::ExportInfo>(info);
}

// The generic check cannot tell two fields that are exchanged on both ways.
TEST_F(WireRoundTripTest, AttributesKeepTheirPlaces) {
  const Attr attr = s_.SomeAttr();
  capnp::MallocMessageBuilder message;
  auto wire = message.initRoot<wire::Attr>();
  Encode(attr, wire);
  EXPECT_EQ(wire.getId().getHi(), attr.id.hi);
  EXPECT_EQ(wire.getSize(), attr.size);
  EXPECT_EQ(wire.getUid(), attr.uid);
  EXPECT_EQ(wire.getGid(), attr.gid);
  EXPECT_EQ(wire.getNlink(), attr.nlink);
  EXPECT_EQ(wire.getMode(), attr.mode);
  EXPECT_EQ(wire.getMtime().getSec(), attr.mtime.sec);
  EXPECT_EQ(wire.getCtime().getNsec(), attr.ctime.nsec);
  Attr decoded;
  Decode(wire.asReader(), decoded);
  EXPECT_EQ(decoded, attr);
}

TEST_F(WireRoundTripTest, EdgesOfTheValues) {
  Attr attr;
  attr.size = attr.ino = ~uint64_t{0};
  attr.mtime = {INT64_MIN, 999'999'999};
  attr.ctime = {INT64_MAX, 0};
  capnp::MallocMessageBuilder message;
  auto wire = message.initRoot<wire::Attr>();
  Encode(attr, wire);
  Attr decoded;
  Decode(wire.asReader(), decoded);
  EXPECT_EQ(decoded, attr);
}

TEST_F(WireRoundTripTest, Looking) {
  ExpectRoundTrip<E::GetAttrParams>(s_.Node());
  auto attr = s_.Answer<AttrReply>();
  attr.attr = s_.SomeAttr();
  ExpectRoundTrip<E::GetAttrResults>(attr, kNoMessage);
  ExpectRoundTrip<E::LookupParams>(
      LookupRequest{.dir = s_.Node(), .name = "n\xff\n", .lease = true});
  auto lookup = s_.Answer<LookupReply>();
  lookup.entry = s_.SomeAttr();
  lookup.target = s_.Text();
  lookup.dir = s_.SomeAttr();
  lookup.leased = true;
  ExpectRoundTrip<E::LookupResults>(lookup, kNoMessage);
  ExpectRoundTrip<E::ReadLinkParams>(s_.Node());
  auto link = s_.Answer<ReadLinkReply>();
  link.target = s_.Text();
  ExpectRoundTrip<E::ReadLinkResults>(link, kNoMessage);
  ExpectRoundTrip<E::GetXattrParams>(
      GetXattrRequest{.node = s_.Node(), .name = "user.a"});
  auto xattr = s_.Answer<GetXattrReply>();
  xattr.value = std::string("\0\1", 2);
  ExpectRoundTrip<E::GetXattrResults>(xattr, kNoMessage);
}

TEST_F(WireRoundTripTest, Listing) {
  ExpectRoundTrip<E::ListParams>(ListRequest{
      .dir = s_.Node(), .known = {s_.Number(), s_.Number()}, .lease = true});
  ExpectRoundTrip<E::ListMoreParams>(s_.Number());
  auto page = s_.Answer<ListReply>();
  page.dir = s_.SomeAttr();
  page.unchanged = true;
  page.digest = {s_.Number(), s_.Number()};
  page.entries = {{s_.Text(), s_.SomeAttr(), s_.Text()},
                  {std::string(255, 'n'), s_.SomeAttr(), s_.Text()}};
  page.cursor = s_.Number();
  page.leased = true;
  const std::set<std::string> unset = {"page.status.message"};
  ExpectRoundTrip<E::ListResults>(page, unset);
  ExpectRoundTrip<E::ListMoreResults>(page, unset);
  ListManyRequest many{.dirs = {}, .most_entries = s_.Small()};
  for (int i = 0; i < 2; ++i) {
    many.dirs.push_back(
        {.dir = s_.Node(), .known = {s_.Number(), s_.Number()}, .lease = true});
  }
  ExpectRoundTrip<E::ListManyParams>(many);
  auto pages = s_.Answer<ListManyReply>();
  pages.pages = {page, page};
  ExpectRoundTrip<E::ListManyResults>(
      pages, {"status.message", "pages.status.message"});
}

TEST_F(WireRoundTripTest, Reading) {
  ReadRequest request;
  for (int i = 0; i < 3; ++i) {
    request.files.push_back(
        {s_.Node(), s_.Number(), s_.Small(), {s_.Number(), s_.Number()}});
  }
  ExpectRoundTrip<E::ReadParams>(request);
  auto reply = s_.Answer<ReadReply>();
  FileRead file{.error = 5, .attr = s_.SomeAttr(), .stable = true};
  file.blocks.push_back({.unchanged = false, .bytes = Buffer("some bytes")});
  file.blocks.push_back({.unchanged = true, .bytes = {}});
  reply.files = {file, file};
  ExpectRoundTrip<E::ReadResults>(reply, kNoMessage);
}

TEST_F(WireRoundTripTest, SeekAndStatFs) {
  ExpectRoundTrip<E::SeekParams>(
      SeekRequest{.node = s_.Node(), .offset = s_.Number(), .hole = true});
  auto seek = s_.Answer<SeekReply>();
  seek.offset = s_.Number();
  ExpectRoundTrip<E::SeekResults>(seek, kNoMessage);
  ExpectRoundTrip<E::StatFsParams>(s_.Node());
  auto stat = s_.Answer<StatFsReply>();
  stat.block_bytes = s_.Number();
  stat.blocks = s_.Number();
  stat.blocks_free = s_.Number();
  stat.blocks_available = s_.Number();
  stat.files = s_.Number();
  stat.files_free = s_.Number();
  stat.name_max = s_.Small();
  ExpectRoundTrip<E::StatFsResults>(stat, kNoMessage);
}

TEST_F(WireRoundTripTest, Attributes) {
  SetAttrRequest set{.node = s_.Node(), .mode = s_.Small()};
  set.uid = s_.Small();
  set.gid = s_.Small();
  set.size = s_.Number();
  set.atime = TimeOrNow{.now = false, .time = s_.Time()};
  set.mtime = TimeOrNow{.now = true, .time = {}};
  ExpectRoundTrip<E::SetAttrParams>(set, {"mtime"});
  auto reply = s_.Answer<ChangeReply>();
  reply.node = s_.Changed();
  ExpectRoundTrip<E::SetAttrResults>(reply, kNoMessage);
  ExpectRoundTrip<E::AllocateResults>(reply, kNoMessage);
  ExpectRoundTrip<E::SetXattrResults>(reply, kNoMessage);
}

TEST_F(WireRoundTripTest, WhatIsNotSetStaysUnset) {
  capnp::MallocMessageBuilder message;
  auto wire = message.initRoot<E::SetAttrParams>();
  Encode(SetAttrRequest{.node = s_.Node(), .mode = 0, .size = 0}, wire);
  SetAttrRequest decoded;
  Decode(wire.asReader(), decoded);
  EXPECT_EQ(decoded.mode, 0u) << "0 is a value";
  EXPECT_EQ(decoded.size, 0u) << "0 is a value";
  EXPECT_FALSE(decoded.uid || decoded.gid || decoded.atime || decoded.mtime);
}

TEST_F(WireRoundTripTest, Names) {
  CreateRequest create{.dir = s_.Node(), .name = "n", .mode = s_.Small()};
  create.uid = s_.Small();
  create.gid = s_.Small();
  create.target = "t";
  create.retry = true;
  ExpectRoundTrip<E::CreateParams>(create);
  auto created = s_.Answer<CreateReply>();
  created.entry = s_.SomeAttr();
  created.existed = true;
  created.dir = s_.Changed();
  ExpectRoundTrip<E::CreateResults>(created, kNoMessage);
  ExpectRoundTrip<E::LinkParams>(LinkRequest{
      .node = s_.Node(), .dir = s_.Node(), .name = "l", .retry = true});
  auto linked = s_.Answer<LinkReply>();
  linked.entry = s_.SomeAttr();
  linked.dir = s_.Changed();
  ExpectRoundTrip<E::LinkResults>(linked, kNoMessage);
}

TEST_F(WireRoundTripTest, RemoveAndRename) {
  ExpectRoundTrip<E::RemoveParams>(RemoveRequest{.dir = s_.Node(),
                                                 .name = "n",
                                                 .directory = true,
                                                 .keep_orphan = true,
                                                 .retry = true});
  auto removed = s_.Answer<RemoveReply>();
  removed.removed = s_.SomeAttr();
  removed.dir = s_.Changed();
  ExpectRoundTrip<E::RemoveResults>(removed, kNoMessage);
  RenameRequest rename{.from_dir = s_.Node(), .from_name = "a"};
  rename.to_dir = s_.Node();
  rename.to_name = "b";
  rename.flags = s_.Small();
  rename.expected = s_.Id();
  rename.keep_orphan = rename.retry = true;
  ExpectRoundTrip<E::RenameParams>(rename, {"expected.path"});
  auto renamed = s_.Answer<RenameReply>();
  renamed.moved = s_.SomeAttr();
  renamed.other = s_.SomeAttr();
  renamed.unsettled = true;
  renamed.from_dir = s_.Changed();
  renamed.to_dir = s_.Changed();
  ExpectRoundTrip<E::RenameResults>(renamed, kNoMessage);
}

TEST_F(WireRoundTripTest, Content) {
  ExpectRoundTrip<E::WriteParams>(WriteRequest{.node = s_.Node(),
                                               .offset = s_.Number(),
                                               .data = "data",
                                               .append = true,
                                               .retry = true});
  auto written = s_.Answer<WriteReply>();
  written.written = s_.Small();
  written.node = s_.Changed();
  ExpectRoundTrip<E::WriteResults>(written, kNoMessage);
  ExpectRoundTrip<E::AllocateParams>(AllocateRequest{.node = s_.Node(),
                                                     .mode = 3,
                                                     .offset = s_.Number(),
                                                     .length = s_.Number()});
  ExpectRoundTrip<E::CopyParams>(CopyRequest{.from = s_.Node(),
                                             .from_offset = s_.Number(),
                                             .to = s_.Node(),
                                             .to_offset = s_.Number(),
                                             .length = s_.Number()});
  auto copied = s_.Answer<CopyReply>();
  copied.copied = s_.Number();
  copied.to = s_.Changed();
  ExpectRoundTrip<E::CopyResults>(copied, kNoMessage);
}

TEST_F(WireRoundTripTest, XattrsSyncAndRelease) {
  SetXattrRequest set{.node = s_.Node(), .name = "user.x"};
  set.value = "v";
  set.flags = 1;
  ExpectRoundTrip<E::SetXattrParams>(set, {"remove"});
  set.value = std::nullopt;
  ExpectRoundTrip<E::SetXattrParams>(set, {"value"});
  ExpectRoundTrip<E::SyncParams>(
      SyncRequest{.node = s_.Node(), .data_only = true});
  ExpectRoundTrip<E::SyncResults>(s_.Answer<Reply>(), kNoMessage);
  ExpectRoundTrip<E::ReleaseParams>(
      ReleaseRequest{.orphans = {s_.Id(), s_.Id(), s_.Id()}});
  ExpectRoundTrip<E::ReleaseResults>(s_.Answer<Reply>(), kNoMessage);
}

// An empty value is not the absence of one.
TEST_F(WireRoundTripTest, AnEmptyXattrIsNotARemoval) {
  capnp::MallocMessageBuilder message;
  auto wire = message.initRoot<E::SetXattrParams>();
  Encode(SetXattrRequest{.node = s_.Node(), .name = "n", .value = ""}, wire);
  SetXattrRequest decoded;
  Decode(wire.asReader(), decoded);
  ASSERT_TRUE(decoded.value.has_value());
  EXPECT_EQ(*decoded.value, "");
}

TEST_F(WireRoundTripTest, TheJournal) {
  ExpectRoundTrip<E::NextParams>(
      NextRequest{.after = {s_.Number(), s_.Number()},
                  .max_events = s_.Small(),
                  .wait_ms = s_.Small()});
  auto reply = s_.Answer<NextReply>();
  reply.new_epoch = true;
  reply.events = {s_.SomeEvent(EventKind::kDeleted),
                  s_.SomeEvent(EventKind::kRevoked)};
  reply.watches = s_.Number();
  reply.refused = s_.Number();
  reply.overflows = s_.Number();
  ExpectRoundTrip<E::NextResults>(reply, kNoMessage);
  ExpectRoundTrip<E::FenceParams>(FenceRequest());
  ExpectRoundTrip<E::FenceResults>(s_.Answer<Reply>(), kNoMessage);
}

TEST_F(WireRoundTripTest, AnEventKeepsItsFields) {
  const Event event = s_.SomeEvent(EventKind::kMovedTo);
  capnp::MallocMessageBuilder message;
  auto wire = message.initRoot<wire::Event>();
  Encode(event, wire);
  Event decoded;
  Decode(wire.asReader(), decoded);
  EXPECT_EQ(decoded.sequence, event.sequence);
  EXPECT_EQ(decoded.kind, EventKind::kMovedTo);
  EXPECT_TRUE(decoded.own && decoded.directory);
  EXPECT_EQ(decoded.cookie, event.cookie);
  EXPECT_EQ(decoded.dir, event.dir);
  EXPECT_EQ(decoded.name, event.name);
  EXPECT_EQ(decoded.dir_attr, event.dir_attr);
  EXPECT_EQ(decoded.entry, event.entry);
  EXPECT_EQ(decoded.target, event.target);
  EXPECT_EQ(decoded.taken, event.taken);
}

// Of what is gone, and of an object without a name, nothing is sent.
TEST_F(WireRoundTripTest, WhatAnEventLacksStaysNull) {
  Event event;
  event.kind = EventKind::kDeleted;
  event.dir = s_.Id();
  event.name = "n";
  capnp::MallocMessageBuilder message;
  auto wire = message.initRoot<wire::Event>();
  Encode(event, wire);
  EXPECT_FALSE(wire.hasDirAttr() || wire.hasEntry() || wire.hasTarget());
  Event decoded;
  Decode(wire.asReader(), decoded);
  EXPECT_TRUE(decoded.dir_attr.id.IsNull() && decoded.entry.id.IsNull());
  Encode(Event(), wire);
  Event of_nothing;
  Decode(wire.asReader(), of_nothing);
  EXPECT_TRUE(of_nothing.dir.IsNull() && of_nothing.name.empty());
}

TEST_F(WireRoundTripTest, Locks) {
  LockRequest request{.node = s_.Node(), .owner = s_.Number()};
  request.kind = LockKind::kFlock;
  request.start = s_.Number();
  request.length = s_.Number();
  request.test = true;
  auto reply = s_.Answer<LockReply>();
  reply.start = s_.Number();
  reply.length = s_.Number();
  reply.pid = s_.Small();
  for (const LockType type : {LockType::kWrite, LockType::kUnlock}) {
    request.type = reply.type = type;
    ExpectRoundTrip<E::LockParams>(request, {"lock.pid"});
    ExpectRoundTrip<E::LockResults>(
        reply, {"status.message", "lock.owner", "lock.kind"});
  }
}

}  // namespace
}  // namespace warmfs::rpc
