// Changing content: write, append, allocate, copy, truncate, sync.

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

class WriteTest : public ExportTest {
 protected:
  WriteReply Append(const NodeRef& node, std::string_view data,
                    std::optional<uint64_t> retry_of = {}) {
    WriteRequest request;
    request.node = node;
    request.data = data;
    request.append = true;
    request.retry = retry_of.has_value();
    request.offset = retry_of.value_or(0);
    return export_->Write(client_, request);
  }
  ChangeReply Allocate(int32_t mode, uint64_t offset, uint64_t length) {
    return export_->Allocate(client_, {Ref("f"), mode, offset, length});
  }
};

TEST_F(WriteTest, BytesAreOnTheHostWhenItReturns) {
  WriteHost("f", "0123456789");
  const WriteReply reply = Write(Ref("f"), 4, "abc");
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.written, 3u);
  EXPECT_EQ(ReadHost("f"), "0123abc789");
}

TEST_F(WriteTest, TellsTheAttributesBeforeAndAfter) {
  WriteHost("f", "12345");
  const Attr before = Settle("f");
  const WriteReply reply = Write(Ref("f"), 5, "678");
  EXPECT_EQ(reply.node.before.version(), before.version());
  EXPECT_EQ(reply.node.after.size, 8u);
  EXPECT_NE(reply.node.after.ctime, before.ctime);
  EXPECT_EQ(reply.node.after.version(), AttrOf(Host("f")).version());
}

TEST_F(WriteTest, AppendChoosesTheEnd) {
  WriteHost("f", "head ");
  EXPECT_EQ(Append(Ref("f"), "tail").written, 4u);
  EXPECT_EQ(ReadHost("f"), "head tail");
}

TEST_F(WriteTest, ARetriedAppendIsDoneOnce) {
  WriteHost("f", "head ");
  ASSERT_EQ(Append(Ref("f"), "tail").error, 0);
  const WriteReply retry = Append(Ref("f"), "tail", 5);
  EXPECT_EQ(retry.error, 0);
  EXPECT_EQ(retry.written, 4u);
  EXPECT_EQ(ReadHost("f"), "head tail");
}

TEST_F(WriteTest, ARetriedAppendIsDoneIfItWasNot) {
  WriteHost("f", "head ");
  EXPECT_EQ(Append(Ref("f"), "tail", 5).written, 4u);
  EXPECT_EQ(ReadHost("f"), "head tail");
}

TEST_F(WriteTest, ARetriedAppendOfWhichAPartWasDoneAddsTheRest) {
  WriteHost("f", "head ta");
  EXPECT_EQ(Append(Ref("f"), "tail", 5).written, 4u);
  EXPECT_EQ(ReadHost("f"), "head tail");
}

TEST_F(WriteTest, ARetriedAppendBehindAnothersGoesToTheEnd) {
  WriteHost("f", "head other");
  EXPECT_EQ(Append(Ref("f"), "tail", 5).written, 4u);
  EXPECT_EQ(ReadHost("f"), "head othertail");
}

TEST_F(WriteTest, TooMuchAtOnceIsRefused) {
  WriteHost("f", "");
  const std::string most(kMaxWriteBytes, 'x');
  EXPECT_EQ(Write(Ref("f"), 0, most).written, kMaxWriteBytes);
  EXPECT_EQ(Write(Ref("f"), 0, most + "x").error, EINVAL);
  EXPECT_EQ(Write(Ref("f"), UINT64_MAX, "x").error, EINVAL);
  EXPECT_EQ(Write(Ref("f"), INT64_MAX, "x").error, EINVAL);
  EXPECT_EQ(AttrOf(Host("f")).size, kMaxWriteBytes);
}

TEST_F(WriteTest, AnEmptyWriteWritesNothing) {
  WriteHost("f", "12");
  EXPECT_EQ(Write(Ref("f"), 100, "").written, 0u);
  EXPECT_EQ(Append(Ref("f"), "").written, 0u);
  EXPECT_EQ(ReadHost("f"), "12");
}

TEST_F(WriteTest, OnlyRegularFilesAreWrittenTo) {
  MakeDir("d");
  ASSERT_EQ(mkfifo(Host("p").c_str(), 0666), 0);
  EXPECT_EQ(Write(Ref("d"), 0, "x").error, EISDIR);
  EXPECT_EQ(Write(Ref("p"), 0, "x").error, EINVAL) << "and never blocks";
}

TEST_F(WriteTest, AllocateReservesPunchesAndZeroes) {
  WriteHost("f", std::string(16384, 'x'));
  EXPECT_EQ(Allocate(0, 0, 32768).node.after.size, 32768u);
  EXPECT_EQ(Allocate(FALLOC_FL_KEEP_SIZE, 0, 65536).node.after.size, 32768u);
  EXPECT_EQ(
      Allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096).error,
      0);
  EXPECT_EQ(Allocate(FALLOC_FL_ZERO_RANGE, 12288, 4096).error, 0);
  const std::string bytes = ReadHost("f");
  const std::string x(4096, 'x'), zero(4096, '\0');
  EXPECT_EQ(bytes.substr(0, 16384), x + zero + x + zero);
}

TEST_F(WriteTest, AllocateRefusesWhatWouldMoveBytesOrOverflow) {
  WriteHost("f", std::string(16384, 'x'));
  EXPECT_EQ(Allocate(FALLOC_FL_COLLAPSE_RANGE, 0, 4096).error, EOPNOTSUPP);
  EXPECT_EQ(Allocate(FALLOC_FL_INSERT_RANGE, 0, 4096).error, EOPNOTSUPP);
  EXPECT_EQ(Allocate(-1, 0, 4096).error, EOPNOTSUPP);
  EXPECT_EQ(Allocate(0, 0, 0).error, EINVAL);
  EXPECT_EQ(Allocate(0, UINT64_MAX, 1).error, EINVAL);
  EXPECT_EQ(Allocate(0, 1, INT64_MAX).error, EINVAL);
}

TEST_F(WriteTest, CopyMovesBytesOnTheHost) {
  WriteHost("a", "0123456789");
  WriteHost("b", "----------");
  const CopyReply reply =
      export_->Copy(client_, {Ref("a"), 2, Ref("b"), 5, 100});
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.copied, 8u) << "to the end of the source";
  EXPECT_EQ(reply.to.after.size, 13u);
  EXPECT_EQ(ReadHost("b"), "-----23456789");
}

TEST_F(WriteTest, CopyIsBoundedAndSaysHowMuchItWas) {
  WriteHost("a", "");
  WriteHost("b", "");
  ASSERT_EQ(truncate(Host("a").c_str(), 200 << 20), 0);
  const CopyReply reply =
      export_->Copy(client_, {Ref("a"), 0, Ref("b"), 0, UINT64_MAX});
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.copied, Export::kMaxCopyBytes);
}

TEST_F(WriteTest, CopyWithinOneFileMayNotOverlap) {
  WriteHost("a", "0123456789");
  EXPECT_EQ(export_->Copy(client_, {Ref("a"), 0, Ref("a"), 5, 6}).error,
            EINVAL);
  EXPECT_EQ(export_->Copy(client_, {Ref("a"), 0, Ref("a"), 5, 5}).copied, 5u);
  EXPECT_EQ(ReadHost("a"), "0123401234");
  EXPECT_EQ(
      export_->Copy(client_, {Ref("a"), UINT64_MAX, Ref("a"), 0, 1}).error,
      EINVAL);
}

TEST_F(WriteTest, SyncIsForFilesAndDirectories) {
  MakeDir("d");
  WriteHost("d/f", "x");
  ASSERT_EQ(mkfifo(Host("p").c_str(), 0666), 0);
  EXPECT_EQ(export_->Sync(client_, {Ref("d/f"), false}).error, 0);
  EXPECT_EQ(export_->Sync(client_, {Ref("d/f"), true}).error, 0);
  EXPECT_EQ(export_->Sync(client_, {Ref("d"), false}).error, 0);
  EXPECT_EQ(export_->Sync(client_, {Ref("p"), false}).error, EINVAL);
}

}  // namespace
}  // namespace warmfs::hostd
