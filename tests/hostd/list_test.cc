// Listings: pages, digests, consistency, cursors.

#include <fcntl.h>
#include <unistd.h>

#include <set>

#include "schema/linux_abi.h"
#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class ListTest : public ExportTest {
 protected:
  ListReply List(std::string_view dir, Digest known = {}) {
    return export_->List(client_, cursors_, {Ref(dir), known});
  }
  // A listing of which no entry is racy.
  ListReply SettledList(std::string_view dir) {
    ListReply reply = List(dir);
    while (reply.error == 0 && reply.digest.IsNone()) reply = List(dir);
    return reply;
  }
  std::set<std::string> AllNames(ListReply reply, Digest* digest = nullptr) {
    std::set<std::string> names;
    while (true) {
      EXPECT_EQ(reply.error, 0);
      for (const DirEntry& e : reply.entries) {
        EXPECT_TRUE(names.insert(e.name).second) << e.name << " came twice";
      }
      if (digest != nullptr) *digest = reply.digest;
      if (reply.error != 0 || reply.cursor == 0) return names;
      EXPECT_TRUE(reply.digest.IsNone()) << "only the last page has one";
      reply = export_->ListMore(cursors_, reply.cursor);
    }
  }
};

TEST_F(ListTest, TellsNamesAttributesAndTargets) {
  MakeDir("d");
  WriteHost("d/file", "abc");
  MakeDir("d/sub");
  MakeLink("../../outside/secret", "d/link");
  const ListReply reply = List("d");
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.dir.id, Ref("d").id);
  EXPECT_EQ(reply.cursor, 0u);
  ASSERT_THAT(reply.entries, SizeIs(3));
  for (const DirEntry& e : reply.entries) {
    EXPECT_EQ(e.attr.id, Ref("d/" + e.name).id) << e.name;
    EXPECT_EQ(e.target, e.name == "link" ? "../../outside/secret" : "");
  }
}

TEST_F(ListTest, AnEmptyDirectoryHasNoEntriesAndIsComplete) {
  MakeDir("d");
  const ListReply reply = List("d");
  EXPECT_EQ(reply.error, 0);
  EXPECT_THAT(reply.entries, IsEmpty());
  EXPECT_EQ(reply.cursor, 0u);
  EXPECT_TRUE(reply.consistent);
}

TEST_F(ListTest, AFileCannotBeListed) {
  WriteHost("f", "");
  EXPECT_EQ(List("f").error, ENOTDIR);
}

TEST_F(ListTest, ARacyEntryLeavesNoDigest) {
  MakeDir("d");
  WriteHost("d/f", "1");
  const ListReply fresh = List("d");
  ASSERT_THAT(fresh.entries, SizeIs(1));
  EXPECT_EQ(fresh.digest.IsNone(), fresh.entries[0].attr.racy);
  EXPECT_TRUE(fresh.entries[0].attr.racy);
  EXPECT_FALSE(SettledList("d").digest.IsNone());
}

TEST_F(ListTest, AnEqualDigestIsAnsweredWithoutEntries) {
  MakeDir("d");
  WriteHost("d/f", "1");
  const ListReply first = SettledList("d");
  Digest sum;
  for (const DirEntry& e : first.entries) sum.Add(e);
  EXPECT_EQ(sum, first.digest);
  const ListReply second = List("d", first.digest);
  EXPECT_TRUE(second.unchanged);
  EXPECT_THAT(second.entries, IsEmpty());
  EXPECT_EQ(second.digest, first.digest);
}

TEST_F(ListTest, EachKindOfChangeGivesAnotherDigest) {
  MakeDir("d");
  WriteHost("d/f", "1");
  Digest known = SettledList("d").digest;
  const auto changed = [&](const char* what) {
    const ListReply reply = List("d", known);
    EXPECT_FALSE(reply.unchanged) << what;
    EXPECT_FALSE(reply.entries.empty()) << what;
    const Digest now = SettledList("d").digest;
    EXPECT_NE(now, known) << what;
    known = now;
  };
  WriteHost("d/f", "22");
  changed("content");
  ASSERT_EQ(chmod(Host("d/f").c_str(), 0600), 0);
  changed("mode");
  ASSERT_EQ(rename(Host("d/f").c_str(), Host("d/g").c_str()), 0);
  changed("name");
  WriteHost("d/new", "");
  changed("another entry");
}

TEST_F(ListTest, TenThousandNamesComeInPages) {
  FillDirectory("big", 10'000);
  const size_t before = OpenDescriptors();
  ListReply first = List("big");
  ASSERT_EQ(first.error, 0);
  EXPECT_THAT(first.entries, SizeIs(kMaxListEntries));
  EXPECT_NE(first.cursor, 0u);
  EXPECT_THAT(AllNames(std::move(first)), SizeIs(10'000));
  LetGoOfRecentFiles();
  EXPECT_EQ(OpenDescriptors(), before) << "the last page closes the cursor";
}

TEST_F(ListTest, ManyPagesWithAKnownDigestAreUnchangedAsAWhole) {
  FillDirectory("big", 5'000);
  Digest known;
  while (known.IsNone()) AllNames(List("big"), &known);
  const ListReply same = List("big", known);
  EXPECT_TRUE(same.unchanged);
  EXPECT_THAT(same.entries, IsEmpty());
  EXPECT_EQ(same.cursor, 0u);

  WriteHost("big/name-77", "longer");
  ListReply other = List("big", known);
  EXPECT_FALSE(other.unchanged);
  EXPECT_THAT(AllNames(std::move(other)), SizeIs(5'000));
}

TEST_F(ListTest, APageIsBoundedInBytesToo) {
  MakeDir("d");
  const std::string target(4000, 't');
  for (int i = 0; i < 600; ++i) MakeLink(target, "d/" + std::to_string(i));
  ListReply first = List("d");
  EXPECT_LT(first.entries.size(), 300u);
  EXPECT_NE(first.cursor, 0u);
  EXPECT_THAT(AllNames(std::move(first)), SizeIs(600));
}

TEST_F(ListTest, AChangeWhileItIsReadIsNotConsistent) {
  FillDirectory("big", 5'000);
  Settle("big");
  ListReply first = List("big");
  WriteHost("big/new", "");
  const ListReply last = export_->ListMore(cursors_, first.cursor);
  EXPECT_EQ(last.error, 0);
  EXPECT_EQ(last.cursor, 0u);
  EXPECT_FALSE(last.consistent);
}

TEST_F(ListTest, EntriesThatVanishMeanwhileAreLeftOut) {
  FillDirectory("big", 5'000);
  ListReply first = List("big");
  for (int i = 0; i < 5'000; ++i) {
    unlink(Host("big/name-" + std::to_string(i)).c_str());
  }
  const ListReply last = export_->ListMore(cursors_, first.cursor);
  EXPECT_EQ(last.error, 0);
  EXPECT_THAT(last.entries, IsEmpty());
}

TEST_F(ListTest, ADeadCursorIsStale) {
  FillDirectory("big", 5'000);
  std::vector<uint64_t> open;
  for (size_t i = 0; i < Cursors::kMaxOpen + 1; ++i) {
    open.push_back(List("big").cursor);
  }
  EXPECT_EQ(export_->ListMore(cursors_, open[0]).error, ESTALE)
      << "the oldest was closed";
  for (size_t i = 1; i < open.size(); ++i) {
    EXPECT_EQ(export_->ListMore(cursors_, open[i]).error, 0);
    EXPECT_EQ(export_->ListMore(cursors_, open[i]).error, ESTALE)
        << "it is read to its end";
  }
  EXPECT_EQ(export_->ListMore(cursors_, 0).error, ESTALE);
  EXPECT_EQ(export_->ListMore(cursors_, UINT64_MAX).error, ESTALE);
}

TEST_F(ListTest, ACursorOfAnotherExportIsStale) {
  FillDirectory("big", 5'000);
  const uint64_t cursor = List("big").cursor;
  EXPECT_EQ(Open(false)->ListMore(cursors_, cursor).error, ESTALE);
}

TEST_F(ListTest, ARemovedDirectoryEndsItsListing) {
  FillDirectory("big", 5'000);
  const uint64_t cursor = List("big").cursor;
  ASSERT_EQ(system(("rm -r " + Host("big")).c_str()), 0);
  const ListReply reply = export_->ListMore(cursors_, cursor);
  EXPECT_TRUE(reply.error == ESTALE || reply.entries.empty());
  EXPECT_FALSE(reply.error == 0 && reply.consistent);
}

TEST_F(ListTest,
       SeveralDirectoriesComeInOneReplyInOrderUntilThereAreEnoughEntries) {
  ListManyRequest request{.dirs = {}, .most_entries = 3};
  for (const char* name : {"a", "b", "c", "d"}) {
    MakeDir(name);
    WriteHost(std::string(name) + "/one", "");
    WriteHost(std::string(name) + "/two", "");
    request.dirs.push_back({Ref(name), {}});
  }
  const ListManyReply reply = export_->ListMany(client_, cursors_, request);
  ASSERT_EQ(reply.error, 0);
  ASSERT_THAT(reply.pages, SizeIs(2)) << "four entries are more than three";
  EXPECT_EQ(reply.pages[0].dir.id, Ref("a").id);
  EXPECT_EQ(reply.pages[1].dir.id, Ref("b").id);
  EXPECT_THAT(reply.pages[1].entries, SizeIs(2));
}

TEST_F(ListTest, OneThatIsNotThereDoesNotKeepTheOthersFromComing) {
  MakeDir("a");
  MakeDir("b");
  MakeDir("c");
  WriteHost("c/file", "");
  ListManyRequest request{.dirs = {{Ref("a"), {}}, {Ref("b"), {}}},
                          .most_entries = 100};
  request.dirs[1].dir.id = Ref("c").id;
  request.dirs.push_back({Ref("c"), SettledList("c").digest});
  const ListManyReply reply = export_->ListMany(client_, cursors_, request);
  ASSERT_THAT(reply.pages, SizeIs(3));
  EXPECT_EQ(reply.pages[0].error, 0);
  EXPECT_EQ(reply.pages[1].error, kESTALE);
  EXPECT_TRUE(reply.pages[2].unchanged);
}

TEST_F(ListTest, OfSeveralOnlyTheFirstMayHaveSeveralPages) {
  MakeDir("a");
  FillDirectory("large", kMaxListEntries + 1);
  ListManyRequest request{.dirs = {{Ref("a"), {}}, {Ref("large"), {}}},
                          .most_entries = 100};
  ListManyReply reply = export_->ListMany(client_, cursors_, request);
  ASSERT_THAT(reply.pages, SizeIs(2));
  EXPECT_EQ(reply.pages[1].error, kEFBIG);
  EXPECT_EQ(cursors_.size(), 0u) << "nothing is left open of it";
  std::swap(request.dirs[0], request.dirs[1]);
  reply = export_->ListMany(client_, cursors_, request);
  ASSERT_THAT(reply.pages, SizeIs(1));
  EXPECT_NE(reply.pages[0].cursor, 0u);
}

TEST_F(ListTest, NoClientCanHaveManyFullPagesInOneReply) {
  FillDirectory("full", kMaxListEntries);
  const ListRequest full{Ref("full"), {}};
  const ListManyReply reply = export_->ListMany(
      client_, cursors_,
      {.dirs = {full, full, full}, .most_entries = UINT32_MAX});
  EXPECT_THAT(reply.pages, SizeIs(1));
}

}  // namespace
}  // namespace warmfs::hostd
