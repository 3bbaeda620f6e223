// Reading content: whole blocks, hashes, limits, holes.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "hostd/blocks.h"
#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

std::string Pattern(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(i * 31 / 7);
  return out;
}

class ReadTest : public ExportTest {
 protected:
  FileRead ReadOne(const ReadSpec& spec) {
    ReadRequest request;
    request.files = {spec};
    ReadReply reply = export_->Read(client_, request);
    EXPECT_EQ(reply.error, 0);
    EXPECT_THAT(reply.files, SizeIs(1));
    return std::move(reply.files.at(0));
  }
};

TEST_F(ReadTest, WholeBlocksAndAShortLastOne) {
  const std::string bytes = Pattern(2 * kBlockBytes + 10);
  WriteHost("f", bytes);
  const FileRead read = ReadOne({Ref("f"), 0, 100, {}});
  ASSERT_EQ(read.error, 0);
  EXPECT_TRUE(read.stable);
  ASSERT_THAT(read.blocks, SizeIs(3));
  std::string all;
  for (const BlockReply& block : read.blocks) all.append(block.bytes);
  EXPECT_EQ(all, bytes);
  EXPECT_EQ(read.attr.size, bytes.size());
}

TEST_F(ReadTest, NothingBeyondTheEnd) {
  WriteHost("f", Pattern(kBlockBytes));
  for (const uint64_t first :
       {uint64_t{1}, uint64_t{1} << 46, uint64_t{1} << 47, UINT64_MAX}) {
    const FileRead read = ReadOne({Ref("f"), first, UINT32_MAX, {}});
    EXPECT_EQ(read.error, 0) << first;
    EXPECT_TRUE(read.stable);
    EXPECT_THAT(read.blocks, IsEmpty()) << first;
  }
}

TEST_F(ReadTest, AKnownHashIsAnsweredWithoutBytes) {
  const std::string bytes = Pattern(2 * kBlockBytes);
  WriteHost("f", bytes);
  const uint64_t hash = XXH3_64bits(bytes.data() + kBlockBytes, kBlockBytes);
  const FileRead read = ReadOne({Ref("f"), 0, 2, {hash, hash}});
  ASSERT_THAT(read.blocks, SizeIs(2));
  EXPECT_FALSE(read.blocks[0].unchanged) << "another block's hash";
  EXPECT_EQ(read.blocks[0].bytes, bytes.substr(0, kBlockBytes));
  EXPECT_TRUE(read.blocks[1].unchanged);
  EXPECT_EQ(read.blocks[1].bytes.size(), 0u);
}

TEST_F(ReadTest, OnlyRegularFilesAreRead) {
  MakeDir("d");
  MakeLink("../outside", "l");
  ASSERT_EQ(mkfifo(Host("p").c_str(), 0666), 0);
  EXPECT_EQ(ReadOne({Ref("d"), 0, 1, {}}).error, EISDIR);
  EXPECT_EQ(ReadOne({Ref("l"), 0, 1, {}}).error, EINVAL);
  EXPECT_EQ(ReadOne({Ref("p"), 0, 1, {}}).error, EINVAL) << "and never blocks";
}

TEST_F(ReadTest, AReplyIsBoundedWhateverIsAskedFor) {
  WriteHost("big", "");
  ASSERT_EQ(truncate(Host("big").c_str(), int64_t{1} << 40), 0);
  const FileRead read = ReadOne({Ref("big"), 0, UINT32_MAX, {}});
  size_t total = 0;
  for (const BlockReply& b : read.blocks) total += b.bytes.size();
  EXPECT_EQ(total, kMaxReadBytes);
}

TEST_F(ReadTest, HashingForOneReplyIsBounded) {
  WriteHost("big", "");
  ASSERT_EQ(truncate(Host("big").c_str(), int64_t{1} << 40), 0);
  const std::string zeros(kBlockBytes, '\0');
  const uint64_t hash = XXH3_64bits(zeros.data(), zeros.size());
  const std::vector<uint64_t> known(100'000, hash);
  const FileRead read = ReadOne({Ref("big"), 0, 100'000, known});
  EXPECT_THAT(read.blocks, SizeIs(ReadBudget::kMaxHashedBytes / kBlockBytes));
  EXPECT_TRUE(std::all_of(read.blocks.begin(), read.blocks.end(),
                          [](const BlockReply& b) { return b.unchanged; }));
}

TEST_F(ReadTest, FilesThatDoNotFitAreLeftOffAtTheEnd) {
  const std::string bytes = Pattern(6 * kBlockBytes);
  ReadRequest request;
  for (const char* name : {"a", "b", "c", "d"}) {
    WriteHost(name, bytes);
    request.files.push_back({Ref(name), 0, 6, {}});
  }
  const ReadReply reply = export_->Read(client_, request);
  ASSERT_THAT(reply.files, SizeIs(3));  // 6 + 6 + 4 blocks are 2 MiB
  EXPECT_THAT(reply.files[1].blocks, SizeIs(6));
  EXPECT_THAT(reply.files[2].blocks, SizeIs(4));
}

TEST_F(ReadTest, TheNumberOfFilesIsBounded) {
  WriteHost("f", "x");
  ReadRequest request;
  request.files.assign(10'000, {Ref("f"), 0, 1, {}});
  EXPECT_THAT(export_->Read(client_, request).files, SizeIs(kMaxReadFiles));
  request.files.clear();
  EXPECT_THAT(export_->Read(client_, request).files, IsEmpty());
}

TEST_F(ReadTest, AnErrorOfOneFileIsItsOwn) {
  WriteHost("a", "A");
  WriteHost("c", "C");
  ReadRequest request;
  request.files = {
      {Ref("a"), 0, 1, {}}, {{"b", {1, 2}}, 0, 1, {}}, {Ref("c"), 0, 1, {}}};
  const ReadReply reply = export_->Read(client_, request);
  ASSERT_THAT(reply.files, SizeIs(3));
  EXPECT_EQ(reply.files[0].blocks.at(0).bytes, "A");
  EXPECT_EQ(reply.files[1].error, ESTALE);
  EXPECT_EQ(reply.files[2].blocks.at(0).bytes, "C");
}

TEST_F(ReadTest, AStableReadIsWholeWhileTheFileIsRewritten) {
  const std::string bytes = Pattern(kBlockBytes / 2);
  WriteHost("f", bytes);
  const NodeRef ref = Ref("f");
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    const UniqueFd fd(open(Host("f").c_str(), O_WRONLY | O_CLOEXEC));
    while (!stop && ftruncate(fd.get(), 0) == 0) {
      if (pwrite(fd.get(), bytes.data(), bytes.size(), 0) < 0) break;
    }
  });
  for (int i = 0; i < 2000; ++i) {
    const FileRead read = ReadOne({ref, 0, 1, {}});
    EXPECT_EQ(read.error, 0);
    if (!read.stable || read.attr.racy) continue;
    const size_t held = read.blocks.empty() ? 0 : read.blocks[0].bytes.size();
    EXPECT_EQ(held, read.attr.size);
  }
  stop = true;
  writer.join();
  const Attr settled = Settle("f");
  const FileRead read = ReadOne({ref, 0, 1, {}});
  EXPECT_TRUE(read.stable);
  EXPECT_EQ(read.attr.version(), settled.version());
  EXPECT_EQ(read.blocks.at(0).bytes, bytes);
}

TEST_F(ReadTest, SeekFindsDataAndHoles) {
  WriteHost("f", "");
  const UniqueFd fd(open(Host("f").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(pwrite(fd.get(), "x", 1, 1 << 20), 1);
  ASSERT_EQ(ftruncate(fd.get(), 4 << 20), 0);
  EXPECT_EQ(export_->Seek(client_, {Ref("f"), 0, false}).offset, 1u << 20);
  EXPECT_EQ(export_->Seek(client_, {Ref("f"), 0, true}).offset, 0u);
  EXPECT_EQ(export_->Seek(client_, {Ref("f"), 2 << 20, false}).error, ENXIO);
  EXPECT_EQ(export_->Seek(client_, {Ref("f"), 4 << 20, true}).error, ENXIO);
  EXPECT_EQ(export_->Seek(client_, {Ref("f"), UINT64_MAX, true}).error, ENXIO);
}

TEST_F(ReadTest, ASparseFileOccupiesWhatItHolds) {
  WriteHost("f", "");
  ASSERT_EQ(truncate(Host("f").c_str(), 64 << 20), 0);
  const Attr attr = export_->GetAttr(client_, Ref("f")).attr;
  EXPECT_EQ(attr.size, 64u << 20);
  EXPECT_EQ(attr.blocks_512, 0u);
  ASSERT_EQ(Write(Ref("f"), 32 << 20, "x").error, 0);
  ASSERT_EQ(export_->Sync(client_, {Ref("f"), false}).error, 0);
  const uint64_t blocks = export_->GetAttr(client_, Ref("f")).attr.blocks_512;
  EXPECT_GT(blocks, 0u);
  EXPECT_LT(blocks, 1024u);
}

}  // namespace
}  // namespace warmfs::hostd
