// Reading: what is asked of the host and what is not, and that one read is of
// one generation of a file, whatever the host does to it meanwhile.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "tests/fuse/fs_fixture.h"
#include "tests/rpc/proxy.h"

namespace warmfs::fuse {
namespace {

std::string Pattern(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) {
    out[i] = static_cast<char>(i / 4096 * 31 + i % 251);
  }
  return out;
}

class ContentTest : public FileSystemTest {};

TEST_F(ContentTest, AnyStretchOfAFileIsRight) {
  const std::string content = Pattern(3 * 1024 * 1024 + 12'345);
  host_.Write("f", content);
  host_.Settle("f");
  const NodeId f = Find("f");
  for (const uint64_t offset : {0ul, 1ul, 131'071ul, 131'072ul, 1'000'000ul,
                                3'000'000ul, content.size() - 1}) {
    for (const size_t size : {1ul, 4096ul, 131'072ul, 1'048'576ul}) {
      ASSERT_TRUE(Read(f, offset, size) == content.substr(offset, size))
          << offset << " " << size;
    }
  }
  EXPECT_EQ(Read(f, content.size(), 100), "");
  EXPECT_EQ(Read(f, ~uint64_t{0} - 5000, 4096), "");
  EXPECT_EQ(Read(f, 5, 0), "");
}

TEST_F(ContentTest, WarmReadsAskNothing) {
  host_.Write("f", Pattern(300'000));
  host_.Settle("f");
  const NodeId f = Find("f");
  Read(f);
  EXPECT_EQ(Calls(Method::kRead), 1u) << "a small file comes whole";
  const uint64_t before = remote_->stats().TotalCalls();
  for (int i = 0; i < 10; ++i) Read(f, 30'000 * i, 30'000);
  EXPECT_EQ(remote_->stats().TotalCalls(), before);
  EXPECT_EQ(fs_->counters().read_misses, 1u);
  EXPECT_EQ(fs_->counters().read_hits, 10u);
  Expire();
  EXPECT_TRUE(Read(f) == Pattern(300'000));
  EXPECT_EQ(Calls(Method::kRead), 1u) << "only the listing is checked";
}

TEST_F(ContentTest, TheCacheOutlivesTheMount) {
  host_.Write("f", Pattern(300'000));
  host_.Settle("f");
  Read(Find("f"));
  Mount(dir_ / "cache", Options());
  const uint64_t bytes = remote_->stats().bytes_read;
  EXPECT_TRUE(Read(Find("f")) == Pattern(300'000));
  EXPECT_EQ(remote_->stats().bytes_read, bytes);
  EXPECT_EQ(fs_->counters().listings_confirmed, 1u);
}

TEST_F(ContentTest, OnlyTheBlocksThatChangedAreSent) {
  std::string content = Pattern(8 * kBlockBytes);
  host_.Write("f", content);
  host_.Settle("f");
  const NodeId f = Find("f");
  EXPECT_TRUE(Read(f) == content);
  content[5 * kBlockBytes + 7] ^= 1;
  host_.Write("f", content);
  host_.Settle("f");
  Expire();
  const uint64_t bytes = remote_->stats().bytes_read;
  EXPECT_TRUE(Read(f) == content);
  EXPECT_EQ(remote_->stats().bytes_read - bytes, uint64_t{kBlockBytes});
}

TEST_F(ContentTest, AFileThatGrowsOrShrinksOnTheHost) {
  host_.Write("f", Pattern(200'000));
  host_.Settle("f");
  const NodeId f = Find("f");
  EXPECT_EQ(Read(f).size(), 200'000u);
  for (const size_t size :
       {500'000u, 131'072u, 131'073u, 10u, 0u, 2'000'000u}) {
    host_.Write("f", Pattern(size));
    host_.Settle("f");
    Expire();
    ASSERT_TRUE(Read(f) == Pattern(size).substr(0, 1 << 20)) << size;
    ASSERT_EQ(GetAttr(f).size, size);
  }
}

TEST_F(ContentTest, SmallFilesReadInARowComeTogether) {
  constexpr int kFiles = 100;
  host_.MakeDir("d");
  for (int i = 0; i < kFiles; ++i) {
    host_.Write("d/" + std::to_string(i), "content " + std::to_string(i));
  }
  host_.Settle("d/99");
  const NodeId d = Find("d");
  for (const std::string& name : Names(d)) {
    EXPECT_EQ(Read(Look(d, name).node), "content " + name);
  }
  // 1, and then each with the 8 that follow; more are the AheadFetcher's.
  EXPECT_EQ(Calls(Method::kRead), 12u);
}

TEST_F(ContentTest, OurOwnWritesAreReadBack) {
  const NodeId f = Create(kRootNode, "f", S_IFREG | 0644);
  std::string content = Pattern(300'000);
  for (size_t at = 0; at < content.size(); at += 100'000) {
    ASSERT_TRUE(fs_->Write(*channel_, f, at,
                           std::string_view(content).substr(at, 100'000), false)
                    .ok());
  }
  EXPECT_TRUE(Read(f) == content);
  ASSERT_TRUE(fs_->Write(*channel_, f, 0, "appended", true).ok());
  EXPECT_TRUE(Read(f) == content + "appended");
  SetAttrRequest truncate;
  truncate.size = 10;
  ASSERT_TRUE(fs_->SetAttr(*channel_, f, truncate).ok());
  EXPECT_EQ(Read(f), content.substr(0, 10));
  EXPECT_EQ(host_.Read("f"), content.substr(0, 10));
}

TEST_F(ContentTest, CopyAndAllocateAreSeenAtOnce) {
  host_.Write("from", "0123456789");
  const NodeId from = Find("from");
  const NodeId to = Create(kRootNode, "to", S_IFREG | 0644);
  EXPECT_EQ(*fs_->Copy(*channel_, from, 2, to, 0, 5), 5u);
  EXPECT_EQ(Read(to), "23456");
  ASSERT_TRUE(fs_->Allocate(*channel_, to, 0, 0, 8).ok());
  EXPECT_EQ(Read(to), std::string("23456\0\0\0", 8));
}

TEST_F(ContentTest, WarmFileFetchesAllOfIt) {
  const std::string content = Pattern(3'000'000);
  host_.Write("f", content);
  host_.Settle("f");
  const NodeId f = Find("f");
  EXPECT_EQ(*fs_->WarmFile(*channel_, f), content.size());
  EXPECT_EQ(*fs_->WarmFile(*channel_, f), 0u);
  const uint64_t reads = Calls(Method::kRead);
  EXPECT_TRUE(Read(f, 0, content.size()) == content);
  EXPECT_EQ(Calls(Method::kRead), reads);
}

// --- the cache in memory ---

TEST_F(ContentTest, WithoutADirectoryTheCacheIsInMemory) {
  Mount("", Options());
  EXPECT_FALSE(cache_->health().persistent);
  host_.MakeDir("d");
  host_.Write("d/f", Pattern(300'000));
  host_.Settle("d/f");
  const NodeId f = Find("d/f");
  EXPECT_TRUE(Read(f) == Pattern(300'000));
  const uint64_t before = remote_->stats().TotalCalls();
  EXPECT_TRUE(Read(f) == Pattern(300'000));
  EXPECT_THAT(Names(Find("d")), testing::ElementsAre("f"));
  EXPECT_EQ(remote_->stats().TotalCalls(), before);
  Create(kRootNode, "made", S_IFREG | 0644);
  EXPECT_THAT(Names(kRootNode), testing::UnorderedElementsAre("d", "made"));
  Expire();
  EXPECT_TRUE(Read(f) == Pattern(300'000));
}

TEST_F(ContentTest, ADirectoryThatCannotBeUsedDoesNotStopAMount) {
  host_.Write("f", "content");
  Mount("/proc/no-cache-here", Options());
  EXPECT_FALSE(cache_->health().persistent);
  EXPECT_NE(cache_->health().reason, "");
  EXPECT_EQ(Read(Find("f")), "content");
}

// --- one generation ---

// Each generation of a file is one byte value throughout.
bool OneGeneration(const std::string& read) {
  return read.find_first_not_of(read[0]) == read.npos;
}

class GenerationTest : public FileSystemTest {
 protected:
  static constexpr size_t kBytes = 3 * 512 * 1024;  // 12 blocks: no one reply

  // In place, and so that it is another version than before.
  void NextGeneration() {
    const UniqueFd fd(open((host_ / "f").c_str(), O_WRONLY | O_CLOEXEC));
    struct stat before {
    }, after{};
    ASSERT_EQ(fstat(fd.get(), &before), 0);
    const std::string bytes(kBytes,
                            static_cast<char>('a' + ++generation_ % 26));
    do {
      ASSERT_EQ(pwrite(fd.get(), bytes.data(), bytes.size(), 0),
                static_cast<ssize_t>(bytes.size()));
      ASSERT_EQ(fstat(fd.get(), &after), 0);
    } while (after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
  }
  std::atomic<int> generation_{0};
};

// The host rewrites the file before each request of ours, so no two answers are
// of one generation. To mix them would be our fault alone.
TEST_F(GenerationTest, AReadNeverMixesTwoAnswers) {
  host_.Write("f", std::string(kBytes, 'a'));
  std::atomic<bool> rewriting{false};
  rpc::Proxy proxy(dir_ / "proxy", host_.endpoint(), [&] {
    if (rewriting) NextGeneration();
  });
  Connect(proxy.endpoint());
  const NodeId f = Find("f");
  rewriting = true;
  int unequal = 0;
  for (int i = 0; i < 40; ++i) {
    const uint64_t offset = i % 4 * 128 * 1024;
    const std::string read = Read(f, offset, 1 << 20);
    ASSERT_EQ(read.size(), size_t{1} << 20);
    ASSERT_TRUE(OneGeneration(read)) << "read " << i << " mixes generations";
    unequal += read[0] != 'a';
    if (i % 3 == 0) Expire();
  }
  EXPECT_GT(unequal, 0) << "the file was not rewritten";
  rewriting = false;
  Expire();
  host_.Settle("f");
  const char last = static_cast<char>('a' + generation_ % 26);
  EXPECT_TRUE(Read(f, 0, 1 << 20) == std::string(1 << 20, last));
}

// As editors do it: each generation is a file of its own, renamed into place.
TEST_F(GenerationTest, AFileThatIsReplacedAllTheTimeIsReadWhole) {
  host_.Write("f", std::string(300'000, 'a'));
  std::atomic<bool> stop{false};
  std::thread host([&] {
    while (!stop) {
      const char byte = static_cast<char>('a' + ++generation_ % 26);
      host_.Write("next", std::string(300'000, byte));
      host_.Rename("next", "f");
    }
  });
  std::set<char> seen;
  int stale = 0;
  while (generation_ < 300) {
    Expire();
    const Entry entry = Look(kRootNode, "f");
    const auto got = fs_->Read(*channel_, entry.node, 0, 1 << 20);
    fs_->Forget(entry.node, 1);
    const bool is_stale = ToErrno(got.status()) == ESTALE;
    stale += is_stale;
    if (is_stale) continue;
    EXPECT_TRUE(got.ok()) << got.status();
    if (!got.ok()) break;
    const std::string read = got->ToString();
    EXPECT_EQ(read.size(), 300'000u);
    EXPECT_TRUE(OneGeneration(read));
    seen.insert(read[0]);
  }
  stop = true;
  host.join();
  RecordProperty("stale", stale);
  EXPECT_GT(seen.size(), 3u) << "the reads were not concurrent";
}

// In place, and without a pause: a read on the host itself would see two
// generations at once, and so may we. But it heals: what is read once the host
// has come to rest is its last generation, from the cache too.
TEST_F(GenerationTest, AFileThatIsRewrittenInPlaceHeals) {
  for (int round = 0; round < 5; ++round) {
    host_.Write("f", std::string(kBytes, 'a'));
    const NodeId f = Find("f");
    std::atomic<bool> stop{false};
    std::thread host([&] {
      while (!stop) {
        const std::string bytes(kBytes,
                                static_cast<char>('a' + ++generation_ % 26));
        const UniqueFd fd(open((host_ / "f").c_str(), O_WRONLY | O_CLOEXEC));
        EXPECT_EQ(pwrite(fd.get(), bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
      }
    });
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(Read(f, 0, 1 << 20).size(), size_t{1} << 20);
      if (i % 5 == 0) Expire();
    }
    stop = true;
    host.join();
    host_.Write("f", std::string(kBytes, 'a' + generation_ % 26));
    host_.Settle("f");
    Expire();
    const std::string last(1 << 20, static_cast<char>('a' + generation_ % 26));
    ASSERT_TRUE(Read(f, 0, 1 << 20) == last);
    const uint64_t calls = Calls(Method::kRead);
    ASSERT_TRUE(Read(f, 0, 1 << 20) == last);
    EXPECT_EQ(Calls(Method::kRead), calls) << "and it is in the cache";
  }
}

}  // namespace
}  // namespace warmfs::fuse
