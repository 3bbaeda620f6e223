// Many threads at once. The sanitizers watch; each answer must be one that was
// true at some moment.

#include <atomic>
#include <functional>
#include <thread>

#include "gmock/gmock.h"
#include "tests/cache/contract.h"

namespace warmfs::cache {
namespace {

using testing::IsEmpty;

class Concurrency : public CacheContract {};
INSTANTIATE_TEST_SUITE_P(Storage, Concurrency,
                         testing::Values(StorageKind::kDisk,
                                         StorageKind::kMemory),
                         KindName);

// Runs all at once and waits for them.
void RunAll(const std::vector<std::function<void()>>& jobs) {
  std::vector<std::thread> threads;
  for (const auto& job : jobs) threads.emplace_back(job);
  for (auto& thread : threads) thread.join();
}

TEST_P(Concurrency, TheSameBlockPutByManyIsCountedOnce) {
  const std::string bytes = Bytes(20000, 1);
  const auto put = [&] {
    for (int i = 0; i < 100; ++i) PutBlock(cache(), FileAttr(1), i % 3, bytes);
  };
  RunAll({put, put, put, put});
  EXPECT_EQ(cache().usage().content_bytes, 3 * bytes.size());
  EXPECT_EQ(cache().usage().blocks, 3u);
}

TEST_P(Concurrency, TotalsHoldUnderPutsAndEvictions) {
  const auto put = [&](uint64_t salt) {
    return [&, salt] {
      for (uint64_t i = 0; i < 200; ++i) {
        PutBlock(cache(), FileAttr(1 + (i * salt) % 10), i % 4,
                 Bytes(500 + (i * salt) % 9000, i, salt));
      }
    };
  };
  const auto evict = [&] {
    for (uint64_t i = 0; i < 100; ++i)
      cache().EvictFile(FileAttr(1 + i % 10).id);
  };
  RunAll({put(1), put(3), put(7), evict, [&] { cache().Evict(20000); }});
  uint64_t bytes = 0;
  for (uint64_t file = 1; file <= 10; ++file) {
    bytes += cache().ContentBytes(FileAttr(file).id);
  }
  EXPECT_EQ(cache().usage().content_bytes, bytes);
  EXPECT_THAT(Faults(cache()), IsEmpty());
}

// A block's bytes always belong to its version.
TEST_P(Concurrency, AReaderNeverSeesBytesOfAnotherVersion) {
  std::atomic<bool> done = false;
  const auto bytes_of = [](uint64_t generation) {
    return Bytes(5000, 1, generation);
  };
  const auto write = [&](uint64_t first) {
    return [&, first] {
      for (uint64_t g = first; g < first + 400; ++g) {
        PutBlock(cache(), FileAttr(1, 0, g), 0, bytes_of(g));
      }
    };
  };
  const auto read = [&] {
    while (!done) {
      const auto block = cache().GetBlock(FileAttr(1).id, 0);
      if (!block.has_value()) continue;
      const auto generation = static_cast<uint64_t>(block->version.mtime.sec);
      ASSERT_EQ(block->bytes, bytes_of(generation));
    }
  };
  std::thread reader(read);
  std::thread second(read);
  RunAll({write(1), write(1000)});
  done = true;
  reader.join();
  second.join();
  EXPECT_EQ(cache().counters().hash_mismatches, 0u);
}

// The same of a large file, whose bytes are overwritten in place; of one that
// becomes large and small again; and while it is evicted.
TEST_P(Concurrency, AReaderNeverSeesBytesThatAreJustOverwritten) {
  std::atomic<bool> done = false;
  std::atomic<uint64_t> hits = 0;
  const auto attr_of = [](uint64_t generation) {
    return generation % 16 == 0 ? FileAttr(1, 5, generation)
                                : LargeAttr(1, generation);
  };
  // Of every generation another length, as the last block of a file has.
  const auto bytes_of = [](uint64_t generation, uint64_t index) {
    return Bytes(kBlockBytes - generation % 3, index, generation);
  };
  const auto write = [&](uint64_t first) {
    return [&, first] {
      for (uint64_t g = first; g < first + 300; ++g) {
        const std::string zero = bytes_of(g, 0), one = bytes_of(g, 1);
        const std::vector<std::string_view> blocks = {zero, one};
        cache().PutBlocks(attr_of(g), 0, blocks);
      }
    };
  };
  const auto evict = [&] {
    for (int i = 0; i < 100; ++i) cache().EvictFile(LargeAttr(1).id);
  };
  const auto read = [&](uint64_t index) {
    return [&, index] {
      while (!done) {
        const auto block = cache().GetBlock(LargeAttr(1).id, index);
        if (!block.has_value()) continue;
        ++hits;
        const auto generation = static_cast<uint64_t>(block->version.mtime.sec);
        ASSERT_EQ(block->version, attr_of(generation).version());
        ASSERT_TRUE(block->bytes == bytes_of(generation, index));
      }
    };
  };
  std::thread reader(read(0));
  std::thread second(read(1));
  RunAll({write(1), write(1000), evict});
  done = true;
  reader.join();
  second.join();
  EXPECT_GT(hits, 0u);
  EXPECT_EQ(cache().counters().hash_mismatches, 0u);
  EXPECT_EQ(cache().counters().dropped_edits, 0u);
  EXPECT_EQ(cache().usage().content_bytes,
            cache().ContentBytes(LargeAttr(1).id));
  // What is put now is in a file that has its name, for whoever opens it anew.
  cache().PutBlocks(LargeAttr(1, 5000), 0, {bytes_of(5000, 0)});
  Reopen();
  const auto block = cache().GetBlock(LargeAttr(1).id, 0);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->bytes, bytes_of(5000, 0));
}

// Two listings that differ in every name but one are put in turn.
TEST_P(Concurrency, AListingIsSeenWholeOrNotAtAll) {
  const Attr dir = DirAttr(1);
  const std::vector<DirEntry> odd = {FileEntry("both", 1), FileEntry("o1", 2),
                                     FileEntry("o2", 3)};
  const std::vector<DirEntry> even = {FileEntry("both", 1), FileEntry("e1", 4),
                                      FileEntry("e2", 5)};
  cache().PutListing(dir, odd, {1, 1}, true);
  std::atomic<bool> done = false;
  const auto read = [&] {
    while (!done) {
      const auto names = Sorted(Names(cache(), dir.id));
      ASSERT_TRUE((names == std::vector<std::string>{"both", "o1", "o2"}) ||
                  (names == std::vector<std::string>{"both", "e1", "e2"}))
          << testing::PrintToString(names);
      ASSERT_EQ(cache().Lookup(dir.id, "both").presence, Presence::kPresent);
      const auto node = cache().GetNode(dir.id);
      ASSERT_TRUE(node->listing_complete);
      ASSERT_EQ(node->digest.lo, static_cast<uint64_t>(node->attr.mtime.sec));
    }
  };
  std::thread reader(read);
  std::thread second(read);
  for (uint64_t i = 1; i <= 500; ++i) {
    cache().PutListing(DirAttr(1, i), i % 2 ? odd : even, {1, i}, true);
  }
  done = true;
  reader.join();
  second.join();
}

// While others read the directory, and so have it remembered as it was.
TEST_P(Concurrency, WhoReadsADirectoryAfterAnEditSeesTheEdit) {
  constexpr int kEdits = 2000;
  const FileId dir = DirAttr(1).id;
  cache().PutListing(DirAttr(1), {FileEntry("stays", 1)}, {1, 1}, true);
  std::atomic<bool> done = false;
  const auto read = [&] {
    while (!done) Names(cache(), dir);
  };
  std::thread reader(read);
  std::thread second(read);
  for (int i = 0; i < kEdits; ++i) {
    Edit edit;
    const bool put = i % 2 == 0;
    if (put) {
      edit.PutEntry(dir, "comes", FileAttr(2).id);
    } else {
      edit.RemoveEntry(dir, "comes");
    }
    cache().Commit(std::move(edit));
    EXPECT_EQ(Names(cache(), dir).size(), put ? 2u : 1u) << i;
  }
  done = true;
  reader.join();
  second.join();
}

TEST_P(Concurrency, EveryFunctionAtOnce) {
  const auto metadata = [&](uint64_t salt) {
    return [&, salt] {
      for (uint64_t i = 0; i < 200; ++i) {
        const uint64_t dir = 1 + (i + salt) % 5;
        cache().PutListing(DirAttr(dir, i),
                           {FileEntry("a", i), FileEntry("b", i + 1)}, {i, 1},
                           i % 3 != 0);
        Edit edit;
        edit.PutEntry(DirAttr(dir).id, "c", FileAttr(i).id);
        edit.RemoveEntry(DirAttr(1 + i % 5).id, "a");
        edit.PutTarget(LinkAttr(50 + i % 5), "target");
        if (i % 10 == 0) edit.Forget(DirAttr(dir).id);
        cache().Commit(std::move(edit));
        cache().GetNode(DirAttr(dir).id);
        Names(cache(), DirAttr(dir).id);
      }
    };
  };
  const auto content = [&] {
    for (uint64_t i = 0; i < 300; ++i) {
      PutBlock(cache(), FileAttr(50 + i % 5), i % 3, Bytes(6000, i));
      PutBlock(cache(), LargeAttr(50 + i % 7), i % 3, Bytes(7000, i));
      cache().GetBlock(FileAttr(50 + (i + 1) % 5).id, i % 3);
    }
  };
  const auto whole = [&] {
    for (int i = 0; i < 10; ++i) {
      cache().usage();
      cache().counters();
      cache().health();
      cache().Evict(40000);
      Faults(cache());
      cache().Flush();
      if (i == 5) cache().Clear();
    }
  };
  RunAll({metadata(0), metadata(1), content, content, whole});
  EXPECT_THAT(Faults(cache()), IsEmpty());
  EXPECT_EQ(cache().counters().hash_mismatches, 0u);
  uint64_t bytes = 0;
  for (uint64_t n = 0; n <= 300; ++n) {
    bytes += cache().ContentBytes(FileAttr(n).id);
  }
  EXPECT_EQ(cache().usage().content_bytes, bytes);
}

}  // namespace
}  // namespace warmfs::cache
