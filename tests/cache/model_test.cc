// Random operations against a model in plain containers. Whatever the order of
// edits, evictions and reopenings, the cache answers as the model does.

#include <map>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "tests/cache/contract.h"

namespace warmfs::cache {
namespace {

using testing::IsEmpty;

constexpr uint64_t kIds = 12;
constexpr uint64_t kNames = 15;
constexpr uint64_t kBlocks = 4;

struct ModelDir {
  std::map<std::string, FileId> entries;
  bool complete = false;
  Digest digest;
};

struct ModelBlock {
  Version version;
  std::string bytes;
};

class Model : public CacheContract {
 protected:
  void Step() {
    switch (random_() % 12) {
      case 0:
        return PutListing(true);
      case 1:
        return PutListing(false);
      case 2:
        return Forget();
      case 3:
        return MarkIncomplete();
      case 4:
      case 5:
      case 6:
        return EditEntries();
      case 7:
        return PutAttr();
      case 8:
      case 9:
        return PutBlocks();
      case 10:
        return EvictFile();
      case 11:
        if (random_() % 8 == 0) Reopen();
    }
  }

  void Check() {
    for (uint64_t n = 1; n <= kIds; ++n) {
      CheckNode(DirAttr(n).id);
      CheckEntries(DirAttr(n).id);
    }
    CheckContent();
    EXPECT_THAT(Faults(cache()), IsEmpty());
    EXPECT_EQ(cache().counters().dropped_edits, 0u);
  }

  std::mt19937_64 random_{1};

 private:
  FileId Id() { return DirAttr(1 + random_() % kIds).id; }
  std::string Name() { return "n" + std::to_string(random_() % kNames); }

  void PutListing(bool complete) {
    const Attr dir = DirAttr(Id().lo, random_());
    ModelDir& model = dirs_[dir.id];
    std::map<std::string, DirEntry> entries;
    for (uint64_t i = random_() % 8; i > 0; --i) {
      const DirEntry entry = FileEntry(Name(), 100 + random_() % 20);
      entries[entry.name] = entry;
    }
    if (complete) model.entries.clear();
    model.complete = complete;
    model.digest = complete ? Digest{random_(), 1} : Digest();
    std::vector<DirEntry> list;
    for (const auto& [name, entry] : entries) {
      model.entries[name] = entry.attr.id;
      list.push_back(entry);
    }
    attrs_[dir.id] = dir;
    cache().PutListing(dir, list, model.digest, complete);
  }

  void Forget() {
    const FileId id = Id();
    attrs_.erase(id);
    dirs_.erase(id);
    blocks_.erase(id);
    Edit edit;
    edit.Forget(id);
    cache().Commit(std::move(edit));
  }

  void MarkIncomplete() {
    const FileId id = Id();
    dirs_[id].complete = false;
    Edit edit;
    edit.MarkIncomplete(id);
    cache().Commit(std::move(edit));
  }

  void EditEntries() {
    Edit edit;
    for (uint64_t i = 1 + random_() % 3; i > 0; --i) {
      const FileId dir = Id();
      const std::string name = Name();
      dirs_[dir].digest = {};
      if (random_() % 2 == 0) {
        const FileId id = FileAttr(100 + random_() % 20).id;
        dirs_[dir].entries[name] = id;
        edit.PutEntry(dir, name, id);
      } else {
        dirs_[dir].entries.erase(name);
        edit.RemoveEntry(dir, name);
      }
    }
    cache().Commit(std::move(edit));
  }

  void PutAttr() {
    const Attr attr = DirAttr(Id().lo, random_());
    attrs_[attr.id] = attr;
    Edit edit;
    edit.PutAttr(attr);
    cache().Commit(std::move(edit));
  }

  void PutBlocks() {
    // Small, or large and so in a content file; a file may become the other.
    const uint64_t size = random_() % 2 == 0 ? 0 : LargeAttr(1).size;
    const Attr attr = FileAttr(Id().lo, size, random_() % 3);
    const uint64_t first = random_() % kBlocks;
    std::vector<std::string> bytes;
    for (uint64_t i = 1 + random_() % 2; i > 0; --i) {
      bytes.push_back(Bytes(random_() % 9000, random_() % 3));
      blocks_[attr.id][first + bytes.size() - 1] = {attr.version(),
                                                    bytes.back()};
    }
    const std::vector<std::string_view> views(bytes.begin(), bytes.end());
    cache().PutBlocks(attr, first, views);
  }

  void EvictFile() {
    const FileId id = Id();
    uint64_t held = 0;
    for (const auto& [index, block] : blocks_[id]) held += block.bytes.size();
    blocks_.erase(id);
    EXPECT_EQ(cache().EvictFile(id), held);
  }

  void CheckNode(const FileId& id) {
    const auto node = cache().GetNode(id);
    ASSERT_EQ(node.has_value(), attrs_.contains(id));
    if (!node.has_value()) return;
    EXPECT_EQ(node->attr, attrs_[id]);
    EXPECT_EQ(node->listing_complete, dirs_[id].complete);
    if (node->listing_complete) {
      EXPECT_EQ(node->digest, dirs_[id].digest);
    }
  }

  void CheckEntries(const FileId& dir) {
    const ModelDir& model = dirs_[dir];
    std::map<std::string, FileId> held;
    std::map<std::string, FileId> read;
    cache().VisitEntries(dir, [&](const EntryView& entry) {
      return held.emplace(entry.name, entry.id).second;
    });
    const bool complete = cache().ReadDir(dir, 0, [&](const EntryView& entry) {
      return read.emplace(entry.name, entry.id).second;
    });
    EXPECT_EQ(held, model.entries);
    EXPECT_EQ(complete, model.complete);
    if (complete) {
      EXPECT_EQ(read, model.entries);
    }
    for (uint64_t i = 0; i < kNames; ++i) {
      CheckLookup(dir, "n" + std::to_string(i));
    }
  }

  void CheckLookup(const FileId& dir, const std::string& name) {
    const ModelDir& model = dirs_[dir];
    const auto it = model.entries.find(name);
    const LookupResult got = cache().Lookup(dir, name);
    if (it != model.entries.end()) {
      EXPECT_EQ(got.presence, Presence::kPresent);
      EXPECT_EQ(got.id, it->second);
    } else {
      EXPECT_EQ(got.presence,
                model.complete ? Presence::kAbsent : Presence::kUnknown);
    }
  }

  void CheckContent() {
    uint64_t bytes = 0;
    uint64_t blocks = 0;
    for (uint64_t n = 1; n <= kIds; ++n) {
      const FileId id = FileAttr(n).id;
      for (uint64_t index = 0; index <= kBlocks; ++index) {
        const auto got = cache().GetBlock(id, index);
        ASSERT_EQ(got.has_value(), blocks_[id].contains(index));
        if (!got.has_value()) continue;
        EXPECT_EQ(got->bytes, blocks_[id][index].bytes);
        EXPECT_EQ(got->version, blocks_[id][index].version);
        bytes += got->bytes.size();
        ++blocks;
      }
    }
    EXPECT_EQ(cache().usage().content_bytes, bytes);
    EXPECT_EQ(cache().usage().blocks, blocks);
  }

  std::map<FileId, Attr> attrs_;
  std::map<FileId, ModelDir> dirs_;
  std::map<FileId, std::map<uint64_t, ModelBlock>> blocks_;
};
INSTANTIATE_TEST_SUITE_P(Storage, Model,
                         testing::Values(StorageKind::kDisk,
                                         StorageKind::kMemory),
                         KindName);

TEST_P(Model, TheCacheAnswersAsAModelDoes) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    random_.seed(seed);
    for (int round = 0; round < 12 && !HasFailure(); ++round) {
      for (int step = 0; step < 40; ++step) Step();
      SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
      Check();
    }
  }
}

}  // namespace
}  // namespace warmfs::cache
