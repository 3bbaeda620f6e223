// Storage that is not as it should be at open: never the end of a mount.

#include <filesystem>
#include <fstream>
#include <functional>

#include "cache/codec.h"
#include "cache/database.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cache/support.h"
#include "tests/cache/writer.h"

namespace warmfs::cache {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StorageTest : public testing::Test {
 protected:
  CacheOptions Options() const { return OptionsFor(dir_.path()); }

  // A cache of some size, closed: with several files of each kind on disk.
  void Fill() {
    auto cache = MustOpen(Options());
    cache->PutListing(DirAttr(1), {FileEntry("a", 10)}, {1, 1}, true);
    PutBlock(*cache, FileAttr(10), 0, Bytes(kBlockBytes, 1));
    cache->Flush();
  }
  bool HoldsFilling(Cache& cache) {
    return cache.GetNode(DirAttr(1).id).has_value() &&
           cache.GetBlock(FileAttr(10).id, 0).has_value();
  }
  void ExpectWorking(Cache& cache) {
    cache.PutListing(DirAttr(2), {FileEntry("b", 20)}, {2, 2}, true);
    PutBlock(cache, FileAttr(20), 0, "works");
    EXPECT_THAT(Names(cache, DirAttr(2).id), ElementsAre("b"));
    EXPECT_EQ(cache.GetBlock(FileAttr(20).id, 0)->bytes, "works");
  }
  // What was there is gone, and the database is as good as a new one.
  void ExpectWiped() {
    auto cache = MustOpen(Options());
    EXPECT_FALSE(HoldsFilling(*cache));
    EXPECT_TRUE(cache->health().persistent) << cache->health().reason;
    ExpectWorking(*cache);
    cache.reset();
    EXPECT_THAT(Names(*MustOpen(Options()), DirAttr(2).id), ElementsAre("b"));
  }
  void EditDatabase(const std::function<void(Database&)>& edit) {
    std::unique_ptr<Database> db;
    ASSERT_TRUE(Database::Open({.directory = dir_.path()}, &db).ok());
    edit(*db);
  }
  void PutRecord(KeySpace space, const std::string& key,
                 const std::string& value) {
    EditDatabase([&](Database& db) {
      rocksdb::WriteBatch batch;
      ASSERT_TRUE(batch.Put(db[space], key, value).ok());
      ASSERT_TRUE(db.Write(batch, WriteLog::kYes).ok());
    });
  }

  TempDir dir_;
};

TEST_F(StorageTest, ACacheOutlivesItsProcess) {
  Fill();
  auto cache = MustOpen(Options());
  EXPECT_TRUE(HoldsFilling(*cache));
  EXPECT_TRUE(cache->health().persistent);
  EXPECT_THAT(cache->health().reason, IsEmpty());
  EXPECT_GT(cache->usage().disk_bytes, kBlockBytes);
}

TEST_F(StorageTest, AToolSeesWhatAMountRecorded) {
  Fill();
  CacheOptions options;
  options.directory = dir_.path();
  auto cache = MustOpen(options);
  EXPECT_EQ(cache->options().identity, "export-1");
  EXPECT_EQ(cache->options().root, kRoot);
  EXPECT_EQ(cache->options().source, "unix:/run/hostd");
  EXPECT_EQ(cache->options().export_name, "project");
  EXPECT_TRUE(HoldsFilling(*cache));
}

TEST_F(StorageTest, AToolMakesAndWipesNothing) {
  CacheOptions options;
  options.directory = dir_ / "none";
  EXPECT_TRUE(absl::IsNotFound(Cache::Open(options).status()));
  EXPECT_FALSE(fs::exists(options.directory));
  Fill();
  PutRecord(KeySpace::kMeta, kMetaFormat, EncodeU32(kFormatVersion + 1));
  options.directory = dir_.path();
  const auto opened = Cache::Open(options);
  EXPECT_TRUE(absl::IsNotFound(opened.status()));
  EXPECT_THAT(std::string(opened.status().message()),
              HasSubstr("format " + std::to_string(kFormatVersion + 1)));
  PutRecord(KeySpace::kMeta, kMetaFormat, EncodeU32(kFormatVersion));
  EXPECT_TRUE(HoldsFilling(*MustOpen(Options())));
}

TEST_F(StorageTest, AnotherFormatIsWiped) {
  Fill();
  PutRecord(KeySpace::kMeta, kMetaFormat, EncodeU32(kFormatVersion + 1));
  ExpectWiped();
}

TEST_F(StorageTest, AFormatThatIsNoNumberIsWiped) {
  Fill();
  PutRecord(KeySpace::kMeta, kMetaFormat, "x");
  ExpectWiped();
}

TEST_F(StorageTest, AnotherIdentityIsWiped) {
  Fill();
  CacheOptions other = Options();
  other.identity = "export-2";
  {
    auto cache = MustOpen(other);
    EXPECT_FALSE(HoldsFilling(*cache));
    ExpectWorking(*cache);
  }
  ExpectWiped();
}

TEST_F(StorageTest, AnotherRootIsWiped) {
  Fill();
  CacheOptions other = Options();
  other.root = {1, 2};
  EXPECT_FALSE(HoldsFilling(*MustOpen(other)));
}

TEST_F(StorageTest, AnotherSourceIsTheSameCache) {
  Fill();
  CacheOptions other = Options();
  other.source = "vsock:2:9000";
  EXPECT_TRUE(HoldsFilling(*MustOpen(other)));
  other.identity.clear();
  other.source.clear();
  EXPECT_EQ(MustOpen(other)->options().source, "vsock:2:9000");
}

TEST_F(StorageTest, AMissingCurrentIsSurvived) {
  Fill();
  fs::remove(dir_ / "CURRENT");
  ExpectWiped();
}

TEST_F(StorageTest, AMissingManifestIsSurvived) {
  Fill();
  for (const auto& entry : fs::directory_iterator(dir_.path())) {
    if (entry.path().filename().string().starts_with("MANIFEST")) {
      fs::remove(entry.path());
    }
  }
  ExpectWiped();
}

TEST_F(StorageTest, AMissingTableIsSurvived) {
  Fill();
  const auto tables = FilesEndingIn(dir_.path(), ".sst");
  ASSERT_GT(tables.size(), 3u);
  fs::remove(tables[0]);
  ExpectWiped();
}

TEST_F(StorageTest, AMissingBlobFileLosesOnlyItsBlocks) {
  Fill();
  for (const auto& path : FilesEndingIn(dir_.path(), ".blob")) fs::remove(path);
  auto cache = MustOpen(Options());
  EXPECT_FALSE(cache->GetBlock(FileAttr(10).id, 0).has_value());
  EXPECT_THAT(Names(*cache, DirAttr(1).id),
              AnyOf(ElementsAre("a"), ElementsAre("<incomplete>")));
  ExpectWorking(*cache);
}

TEST_F(StorageTest, GarbageForAManifestIsSurvived) {
  Fill();
  for (const auto& entry : fs::directory_iterator(dir_.path())) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("MANIFEST")) FlipBytes(entry.path(), 0, 4096);
  }
  ExpectWiped();
}

TEST_F(StorageTest, ASecondOpenerIsToldWhatToDo) {
  auto first = MustOpen(Options());
  const auto second = Cache::Open(Options());
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("in use by another process: unmount"));
  ExpectWorking(*first);
}

TEST_F(StorageTest, AnOpenerInAnotherProcessIsToldTheSame) {
  Fill();
  Writer writer(dir_.path(), 1);
  ASSERT_TRUE(writer.NextLine().has_value());  // it has the cache open
  const auto second = Cache::Open(Options());
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("in use by another process: unmount"));
  writer.Kill();
  EXPECT_TRUE(MustOpen(Options())->health().persistent);
}

TEST_F(StorageTest, ForeignFilesAreLeftAlone) {
  std::ofstream(dir_ / "thesis.txt") << "years of work";
  std::ofstream(dir_ / "000012.log") << "looks like a database's";
  auto cache = MustOpen(Options());
  EXPECT_FALSE(cache->health().persistent);
  EXPECT_THAT(cache->health().reason, HasSubstr("give an empty one"));
  ExpectWorking(*cache);
  cache.reset();
  EXPECT_TRUE(fs::exists(dir_ / "thesis.txt"));
  EXPECT_TRUE(fs::exists(dir_ / "000012.log"));
  EXPECT_FALSE(fs::exists(dir_ / "CURRENT"));
}

TEST_F(StorageTest, AnotherProgramsDatabaseIsLeftAlone) {
  rocksdb::DB* db = nullptr;
  rocksdb::Options options;
  options.create_if_missing = true;
  ASSERT_TRUE(rocksdb::DB::Open(options, dir_.path(), &db).ok());
  ASSERT_TRUE(db->Put({}, "key", "value").ok());
  delete db;
  EXPECT_FALSE(MustOpen(Options())->health().persistent);
  ASSERT_TRUE(rocksdb::DB::Open(options, dir_.path(), &db).ok());
  std::string value;
  EXPECT_TRUE(db->Get({}, "key", &value).ok());
  delete db;
}

TEST_F(StorageTest, AWipeTakesOnlyDatabaseFiles) {
  Fill();
  std::ofstream(dir_ / "note.txt") << "put here later";
  fs::remove(dir_ / "CURRENT");
  ExpectWiped();
  EXPECT_TRUE(fs::exists(dir_ / "note.txt"));
}

TEST_F(StorageTest, ADirectoryThatCannotBeMadeMeansMemory) {
  std::ofstream(dir_ / "file") << "x";
  auto cache = MustOpen(OptionsFor(dir_ / "file/cache"));
  EXPECT_FALSE(cache->health().persistent);
  EXPECT_THAT(cache->health().reason, HasSubstr("Not a directory"));
  ExpectWorking(*cache);
}

TEST_F(StorageTest, MissingParentsAreMade) {
  auto cache = MustOpen(OptionsFor(dir_ / "a/b/c"));
  EXPECT_TRUE(cache->health().persistent) << cache->health().reason;
  EXPECT_TRUE(fs::exists(dir_ / "a/b/c/CACHEDIR.TAG"));
}

TEST_F(StorageTest, ATagCutShortByACrashIsCompleted) {
  fs::create_directory(dir_ / "cache");
  std::ofstream(dir_ / "cache/CACHEDIR.TAG") << "Signature: 8a47";
  EXPECT_TRUE(MustOpen(OptionsFor(dir_ / "cache"))->health().persistent);
  EXPECT_TRUE(MustOpen(OptionsFor(dir_ / "cache"))->health().persistent);
}

TEST_F(StorageTest, MemoryIsBoundedWhateverTheDiskMayHold) {
  auto cache = MustOpen(OptionsFor(""));
  EXPECT_EQ(cache->usage().max_bytes, uint64_t{64} << 20);
  EXPECT_FALSE(cache->health().persistent);
}

// Undecodable records, as another program's fault could leave them.
TEST_F(StorageTest, RecordsThatCannotBeDecodedAreMissedAndReported) {
  Fill();
  PutRecord(KeySpace::kAttr, NodeKey(FileAttr(10).id), "short");
  PutRecord(KeySpace::kDirent, EntryKey(DirAttr(1).id, NameCookie("a"), "a"),
            "short");
  PutRecord(KeySpace::kBlock, BlockKey(FileAttr(10).id, 0), "short");
  PutRecord(KeySpace::kUsage, NodeKey(FileAttr(10).id), "short");
  auto cache = MustOpen(Options());
  EXPECT_EQ(Faults(*cache).size(), 5u);  // the block's record and its hash
  EXPECT_FALSE(cache->GetNode(FileAttr(10).id).has_value());
  EXPECT_EQ(cache->Lookup(DirAttr(1).id, "a").presence, Presence::kUnknown);
  EXPECT_FALSE(cache->GetBlock(FileAttr(10).id, 0).has_value());
  EXPECT_THAT(Names(*cache, DirAttr(1).id), ElementsAre("<incomplete>"));
  EXPECT_EQ(cache->usage().content_bytes, 0u);
  cache->PutListing(DirAttr(1), {FileEntry("a", 10)}, {1, 1}, true);
  PutBlock(*cache, FileAttr(10), 0, "again");
  EXPECT_THAT(Faults(*cache), IsEmpty());
  EXPECT_THAT(Names(*cache, DirAttr(1).id), ElementsAre("a"));
}

// Names whose hashes collide cannot be had, so the records are made directly.
TEST_F(StorageTest, EntriesOfOneCookieAreAdjacentAndInOrderOfName) {
  Fill();
  const FileId dir = DirAttr(1).id;
  const uint64_t cookie = NameCookie("a");
  for (const std::string name : {"collides", "0-collides"}) {
    PutRecord(KeySpace::kDirent, EntryKey(dir, cookie, name),
              EncodeFileId(FileAttr(11).id));
  }
  PutRecord(KeySpace::kDirent, EntryKey(dir, cookie + 1, "z"),
            EncodeFileId(FileAttr(12).id));
  auto cache = MustOpen(Options());
  EXPECT_THAT(Names(*cache, dir),
              ElementsAre("0-collides", "a", "collides", "z"));
  EXPECT_THAT(Names(*cache, dir, cookie - 1),
              ElementsAre("0-collides", "a", "collides", "z"));
  EXPECT_THAT(Names(*cache, dir, cookie), ElementsAre("z"));
  cache->PutListing(DirAttr(1), {FileEntry("a", 10)}, {1, 1}, true);
  EXPECT_THAT(Names(*cache, dir), ElementsAre("a"));
}

}  // namespace
}  // namespace warmfs::cache
