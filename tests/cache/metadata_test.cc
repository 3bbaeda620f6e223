// What the cache promises of attributes and directory entries.

#include <set>

#include "gmock/gmock.h"
#include "tests/cache/contract.h"

namespace warmfs::cache {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Metadata : public CacheContract {};
INSTANTIATE_TEST_SUITE_P(Storage, Metadata,
                         testing::Values(StorageKind::kDisk,
                                         StorageKind::kMemory),
                         KindName);

const Digest kDigest = {11, 22};

TEST_P(Metadata, AnUnknownObjectIsUnknown) {
  EXPECT_FALSE(cache().GetNode({9, 9}).has_value());
  EXPECT_EQ(cache().Lookup(kRoot, "a").presence, Presence::kUnknown);
  EXPECT_THAT(Names(cache(), kRoot), ElementsAre("<incomplete>"));
}

TEST_P(Metadata, EveryAttributeComesBack) {
  Attr attr = FileAttr(5, 77);
  attr.blocks_512 = 8;
  attr.rdev = 3;
  attr.uid = 1000;
  attr.gid = 100;
  attr.atime = {-5, 999999999};  // before 1970
  attr.mtime = {int64_t{1} << 40, 1};
  attr.racy = true;
  Edit edit;
  edit.PutAttr(attr);
  cache().Commit(std::move(edit));
  Reopen();
  const auto node = cache().GetNode(attr.id);
  ASSERT_TRUE(node.has_value());
  EXPECT_EQ(node->attr, attr);
  EXPECT_FALSE(node->listing_complete);
}

TEST_P(Metadata, ACompleteListingAnswersHitsAndMisses) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10), FileEntry("b", 11)}, kDigest,
                     true);
  Reopen();
  EXPECT_EQ(cache().Lookup(dir.id, "a").id, FileAttr(10).id);
  EXPECT_EQ(cache().Lookup(dir.id, "a").presence, Presence::kPresent);
  EXPECT_EQ(cache().Lookup(dir.id, "c").presence, Presence::kAbsent);
  EXPECT_THAT(Sorted(Names(cache(), dir.id)), ElementsAre("a", "b"));
  EXPECT_EQ(cache().GetNode(FileAttr(11).id)->attr, FileAttr(11));
  const auto node = cache().GetNode(dir.id);
  EXPECT_TRUE(node->listing_complete);
  EXPECT_EQ(node->digest, kDigest);
  EXPECT_EQ(node->attr, dir);
}

TEST_P(Metadata, AnEmptyDirectoryIsCompleteToo) {
  cache().PutListing(DirAttr(1), {}, kDigest, true);
  EXPECT_THAT(Names(cache(), DirAttr(1).id), IsEmpty());
  EXPECT_EQ(cache().Lookup(DirAttr(1).id, "x").presence, Presence::kAbsent);
}

TEST_P(Metadata, ANewListingReplacesTheOldOne) {
  const Attr dir = DirAttr(1);
  cache().PutListing(
      dir, {FileEntry("a", 10), FileEntry("b", 11), FileEntry("c", 12)},
      kDigest, true);
  cache().PutListing(DirAttr(1, 2), {FileEntry("b", 20), FileEntry("d", 21)},
                     {3, 4}, true);
  EXPECT_THAT(Sorted(Names(cache(), dir.id)), ElementsAre("b", "d"));
  EXPECT_EQ(cache().Lookup(dir.id, "b").id, FileAttr(20).id);
  EXPECT_EQ(cache().Lookup(dir.id, "a").presence, Presence::kAbsent);
  EXPECT_EQ(cache().GetNode(dir.id)->digest, (Digest{3, 4}));
}

TEST_P(Metadata, APartOfAListingOnlyAdds) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10)}, {}, false);
  cache().PutListing(dir, {FileEntry("b", 11)}, {}, false);
  EXPECT_EQ(cache().Lookup(dir.id, "a").presence, Presence::kPresent);
  EXPECT_EQ(cache().Lookup(dir.id, "b").presence, Presence::kPresent);
  EXPECT_EQ(cache().Lookup(dir.id, "c").presence, Presence::kUnknown);
  EXPECT_FALSE(cache().GetNode(dir.id)->listing_complete);
  std::set<std::string> held;
  cache().VisitEntries(dir.id, [&](const EntryView& entry) {
    return held.insert(std::string(entry.name)).second;
  });
  EXPECT_THAT(held, ElementsAre("a", "b"));
}

TEST_P(Metadata, APartOfAListingEndsItsCompleteness) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10)}, kDigest, true);
  cache().PutListing(dir, {FileEntry("b", 11)}, {}, false);
  EXPECT_EQ(cache().Lookup(dir.id, "c").presence, Presence::kUnknown);
}

TEST_P(Metadata, EntriesCanBeEditedOneByOne) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10), FileEntry("b", 11)}, kDigest,
                     true);
  Edit edit;
  edit.PutEntry(dir.id, "c", FileAttr(12).id);
  edit.RemoveEntry(dir.id, "a");
  cache().Commit(std::move(edit));
  Reopen();
  EXPECT_THAT(Sorted(Names(cache(), dir.id)), ElementsAre("b", "c"));
  EXPECT_EQ(cache().Lookup(dir.id, "a").presence, Presence::kAbsent);
}

TEST_P(Metadata, AnEditedListingHasNoDigest) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10)}, kDigest, true);
  Edit edit;
  edit.RemoveEntry(dir.id, "a");
  cache().Commit(std::move(edit));
  EXPECT_TRUE(cache().GetNode(dir.id)->listing_complete);
  EXPECT_TRUE(cache().GetNode(dir.id)->digest.IsNone());
}

TEST_P(Metadata, NewAttributesKeepWhatIsKnownOfTheListing) {
  cache().PutListing(DirAttr(1), {FileEntry("a", 10)}, kDigest, true);
  Edit edit;
  edit.PutAttr(DirAttr(1, 2));
  cache().Commit(std::move(edit));
  const auto node = cache().GetNode(DirAttr(1).id);
  EXPECT_EQ(node->attr, DirAttr(1, 2));
  EXPECT_TRUE(node->listing_complete);
  EXPECT_EQ(node->digest, kDigest);
}

TEST_P(Metadata, ALeaseOutlivesEditsAndARestart) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10)}, kDigest, true, 77);
  Edit edit;
  edit.RemoveEntry(dir.id, "a");
  cache().Commit(std::move(edit));
  Reopen();
  EXPECT_EQ(cache().GetNode(dir.id)->lease, 77u);
  EXPECT_TRUE(cache().GetNode(dir.id)->digest.IsNone());
  Edit ended;
  ended.SetLease(dir.id, 0);
  cache().Commit(std::move(ended));
  EXPECT_EQ(cache().GetNode(dir.id)->lease, 0u);
  EXPECT_TRUE(cache().GetNode(dir.id)->listing_complete);
}

TEST_P(Metadata, ALeaseGrantedTogetherWithAnEditBringsNoDigestBack) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10)}, kDigest, true);
  Edit edit;
  edit.RemoveEntry(dir.id, "a");
  edit.SetLease(dir.id, 5);
  cache().Commit(std::move(edit));
  EXPECT_EQ(cache().GetNode(dir.id)->lease, 5u);
  EXPECT_TRUE(cache().GetNode(dir.id)->digest.IsNone());
}

TEST_P(Metadata, TheCursorComesBack) {
  EXPECT_EQ(cache().cursor(), JournalPos());
  Edit edit;
  edit.PutAttr(FileAttr(1));
  edit.SetCursor({5, 6});
  cache().Commit(std::move(edit));
  Reopen();
  EXPECT_EQ(cache().cursor(), (JournalPos{5, 6}));
}

TEST_P(Metadata, OperationsOfAnEditApplyInOrder) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {}, kDigest, true);
  Edit edit;
  edit.PutEntry(dir.id, "a", FileAttr(1).id);
  edit.RemoveEntry(dir.id, "a");
  edit.RemoveEntry(dir.id, "b");
  edit.PutEntry(dir.id, "b", FileAttr(2).id);
  cache().Commit(std::move(edit));
  EXPECT_THAT(Names(cache(), dir.id), ElementsAre("b"));
}

TEST_P(Metadata, AListingMarkedIncompleteKeepsItsEntries) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10)}, kDigest, true);
  Edit edit;
  edit.MarkIncomplete(dir.id);
  cache().Commit(std::move(edit));
  EXPECT_EQ(cache().Lookup(dir.id, "a").presence, Presence::kPresent);
  EXPECT_EQ(cache().Lookup(dir.id, "b").presence, Presence::kUnknown);
  EXPECT_THAT(Names(cache(), dir.id), ElementsAre("<incomplete>"));
}

TEST_P(Metadata, AForgottenDirectoryLeavesNothing) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10), FileEntry("b", 11)}, kDigest,
                     true);
  Edit edit;
  edit.PutEntry(dir.id, "c", FileAttr(12).id);
  edit.Forget(dir.id);
  cache().Commit(std::move(edit));
  EXPECT_FALSE(cache().GetNode(dir.id).has_value());
  EXPECT_EQ(cache().Lookup(dir.id, "a").presence, Presence::kUnknown);
  EXPECT_EQ(cache().Lookup(dir.id, "c").presence, Presence::kUnknown);
}

TEST_P(Metadata, ForgettingOneIdTouchesNoNeighbour) {
  const FileId last = {UINT64_MAX, UINT64_MAX};
  const FileId before = {UINT64_MAX, UINT64_MAX - 1};
  Attr dir = DirAttr(1);
  for (const FileId& id : {last, before}) {
    dir.id = id;
    cache().PutListing(dir, {FileEntry("a", 10)}, kDigest, true);
  }
  Edit edit;
  edit.Forget(before);
  cache().Commit(std::move(edit));
  EXPECT_THAT(Names(cache(), last), ElementsAre("a"));
  Edit second;
  second.Forget(last);
  cache().Commit(std::move(second));
  EXPECT_THAT(Names(cache(), last), ElementsAre("<incomplete>"));
}

TEST_P(Metadata, AReaddirGoesOnAfterACookie) {
  std::vector<DirEntry> entries;
  for (int i = 0; i < 100; ++i) {
    entries.push_back(FileEntry("name" + std::to_string(i), 100 + i));
  }
  cache().PutListing(DirAttr(1), entries, kDigest, true);
  std::vector<std::string> all;
  uint64_t after = 0;
  for (bool more = true; more;) {
    more = false;
    int page = 0;
    cache().ReadDir(DirAttr(1).id, after, [&](const EntryView& entry) {
      EXPECT_GT(entry.cookie, after);
      EXPECT_EQ(entry.cookie, NameCookie(entry.name));
      after = entry.cookie;
      all.emplace_back(entry.name);
      more = ++page == 7;
      return page < 7;
    });
  }
  EXPECT_EQ(all.size(), entries.size());
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  EXPECT_THAT(Names(cache(), DirAttr(1).id, UINT64_MAX), IsEmpty());
}

TEST_P(Metadata, AVisitorMayUseTheCache) {
  const Attr dir = DirAttr(1);
  cache().PutListing(dir, {FileEntry("a", 10), FileEntry("b", 11)}, kDigest,
                     true);
  EXPECT_TRUE(cache().ReadDir(dir.id, 0, [&](const EntryView& entry) {
    EXPECT_TRUE(cache().GetNode(entry.id).has_value());
    Edit edit;
    edit.RemoveEntry(dir.id, entry.name);
    cache().Commit(std::move(edit));
    return true;
  }));
  EXPECT_THAT(Names(cache(), dir.id), IsEmpty());
}

TEST_P(Metadata, TargetsOfSymlinksComeWithTheListing) {
  const DirEntry link = {"l", LinkAttr(30), "../somewhere"};
  cache().PutListing(DirAttr(1), {link}, kDigest, true);
  Reopen();
  const auto target = cache().GetBlock(link.attr.id, 0);
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->bytes, link.target);
  EXPECT_EQ(target->version, link.attr.version());
}

TEST_P(Metadata, ATargetCanBePutAlone) {
  Edit edit;
  edit.PutTarget(LinkAttr(30), "elsewhere");
  cache().Commit(std::move(edit));
  EXPECT_EQ(cache().GetBlock(LinkAttr(30).id, 0)->bytes, "elsewhere");
}

TEST_P(Metadata, ANameThatCannotBeKeptMakesTheListingIncomplete) {
  const Attr dir = DirAttr(1);
  for (const std::string& bad :
       {std::string(), std::string("a/b"), std::string("a\0b", 3),
        std::string(kMaxNameBytes + 1, 'x')}) {
    cache().PutListing(dir, {FileEntry("a", 10), FileEntry(bad, 11)}, kDigest,
                       true);
    EXPECT_THAT(Names(cache(), dir.id), ElementsAre("<incomplete>"));
    EXPECT_EQ(cache().Lookup(dir.id, "a").presence, Presence::kPresent);
    cache().PutListing(dir, {}, kDigest, true);
    Edit edit;
    edit.PutEntry(dir.id, bad, FileAttr(11).id);
    cache().Commit(std::move(edit));
    EXPECT_THAT(Names(cache(), dir.id), ElementsAre("<incomplete>"));
  }
}

TEST_P(Metadata, OfTwoEntriesWithOneNameTheLastCounts) {
  cache().PutListing(DirAttr(1), {FileEntry("a", 10), FileEntry("a", 11)},
                     kDigest, true);
  EXPECT_THAT(Names(cache(), DirAttr(1).id), ElementsAre("a"));
  EXPECT_EQ(cache().Lookup(DirAttr(1).id, "a").id, FileAttr(11).id);
}

// Larger than one batch, in both directions.
TEST_P(Metadata, AVastListingIsReplacedWhole) {
  constexpr int kEntries = 30000;
  const Attr dir = DirAttr(1);
  std::vector<DirEntry> entries;
  for (int i = 0; i < kEntries; ++i) {
    entries.push_back(FileEntry("entry-" + std::to_string(i), 1000 + i));
  }
  cache().PutListing(dir, entries, kDigest, true);
  EXPECT_EQ(Names(cache(), dir.id).size(), kEntries);
  EXPECT_EQ(cache().Lookup(dir.id, "entry-29999").id, FileAttr(30999).id);
  cache().PutListing(dir, {FileEntry("left", 5)}, {1, 2}, true);
  EXPECT_THAT(Names(cache(), dir.id), ElementsAre("left"));
  EXPECT_EQ(cache().counters().dropped_edits, 0u);
}

TEST_P(Metadata, ClearForgetsEverything) {
  cache().PutListing(DirAttr(1), {FileEntry("a", 10)}, kDigest, true);
  PutBlock(cache(), FileAttr(10, 3), 0, "abc");
  EXPECT_THAT(Names(cache(), DirAttr(1).id), ElementsAre("a"));
  cache().Clear();
  EXPECT_THAT(Names(cache(), DirAttr(1).id), ElementsAre("<incomplete>"));
  Reopen();
  EXPECT_FALSE(cache().GetNode(DirAttr(1).id).has_value());
  EXPECT_FALSE(cache().GetBlock(FileAttr(10).id, 0).has_value());
  EXPECT_EQ(cache().Lookup(DirAttr(1).id, "a").presence, Presence::kUnknown);
  EXPECT_EQ(cache().usage().content_bytes, 0u);
  EXPECT_EQ(cache().options().identity, "export-1");
}

TEST(NameCookie, LeavesRoomForDotsAndFitsAnOffset) {
  for (int i = 0; i < 100000; ++i) {
    const uint64_t cookie = NameCookie(std::to_string(i));
    ASSERT_GT(cookie, 2u);
    ASSERT_LT(cookie, static_cast<uint64_t>(INT64_MAX));
  }
}

TEST(NameCookie, IsTheSameForever) {
  EXPECT_EQ(NameCookie("README.md"), 6738442576037208746u);
  EXPECT_EQ(NameCookie(""), 1622210670741801569u);
}

}  // namespace
}  // namespace warmfs::cache
