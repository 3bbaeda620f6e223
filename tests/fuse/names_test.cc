// Names and nodes when the host moves or removes what they stand for, and what
// the VM itself unlinks but still holds.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/fuse/fs_fixture.h"

namespace warmfs::fuse {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Pair;
using testing::UnorderedElementsAre;

class NamesTest : public FileSystemTest {
 protected:
  std::string PathOf(NodeId node) { return fs_->tree().Look(node)->ref.path; }
};

TEST_F(NamesTest, ADirectoryThatTheHostRenamedIsFollowed) {
  host_.MakeDir("a");
  host_.MakeDir("a/b");
  host_.Write("a/b/f", "content");
  host_.Settle("a/b/f");
  const NodeId f = Find("a/b/f");
  host_.Rename("a", "renamed");
  Expire();
  EXPECT_EQ(Read(f), "content");
  EXPECT_EQ(GetAttr(f).nlink, 1u);
  EXPECT_EQ(PathOf(f), "renamed/b/f");
  EXPECT_EQ(Find("renamed/b/f"), f);
  EXPECT_EQ(Look(kRootNode, "a").node, 0u);
}

TEST_F(NamesTest, SeveralRenamesOnOnePathAreFollowed) {
  host_.MakeDir("a");
  host_.MakeDir("a/b");
  host_.Write("a/b/f", "content");
  const NodeId f = Find("a/b/f");
  host_.Rename("a/b/f", "a/b/g");
  host_.Rename("a/b", "a/c");
  host_.Rename("a", "z");
  Expire();
  EXPECT_EQ(Read(f), "content");
  EXPECT_EQ(PathOf(f), "z/c/g");
}

// The kernel asks again by itself only for what is asked by path.
TEST_F(NamesTest, ChangesOfAFileThatTheHostMovedFollowIt) {
  host_.MakeDir("a");
  host_.Write("a/f", "content");
  const NodeId f = Find("a/f");
  int moves = 0;
  const auto move = [&] {
    host_.Rename(moves == 0 ? "a" : "a" + std::to_string(moves),
                 "a" + std::to_string(moves + 1));
    return "a" + std::to_string(++moves) + "/f";
  };
  std::string now = move();
  const auto written = fs_->Write(*channel_, f, 0, "CON", false);
  EXPECT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(host_.Read(now), "CONtent");
  now = move();
  SetAttrRequest truncate;
  truncate.size = 3;
  EXPECT_TRUE(fs_->SetAttr(*channel_, f, truncate).ok());
  EXPECT_EQ(host_.Read(now), "CON");
  now = move();
  EXPECT_TRUE(fs_->Allocate(*channel_, f, 0, 0, 5).ok());
  EXPECT_EQ(host_.Read(now).size(), 5u);
  move();
  EXPECT_TRUE(fs_->Sync(*channel_, f, true).ok());
  move();
  EXPECT_TRUE(
      fs_->SetXattr(*channel_, {.name = "user.a", .value = "v"}, f).ok());
  EXPECT_EQ(GetAttr(f).nlink, 1u);
}

TEST_F(NamesTest, DirectoriesThatTheHostTurnedInsideOutAreFollowed) {
  host_.MakeDir("a");
  host_.MakeDir("a/b");
  host_.Write("a/in-a", "1");
  host_.Write("a/b/in-b", "2");
  const NodeId a = Find("a/in-a"), b = Find("a/b/in-b");
  host_.Rename("a/b", "b");
  host_.Rename("a", "b/a");
  Expire();
  EXPECT_EQ(Read(b), "2");
  EXPECT_EQ(Read(a), "1");
  EXPECT_EQ(PathOf(a), "b/a/in-a");
  EXPECT_EQ(PathOf(b), "b/in-b");
}

TEST_F(NamesTest, AFileMovedToADirectoryThatIsNotKnownIsGone) {
  host_.MakeDir("elsewhere");
  host_.Write("f", "x");
  host_.Settle("f");
  const NodeId f = Find("f");
  host_.Rename("f", "elsewhere/f");
  Expire();
  EXPECT_EQ(GetAttr(f).nlink, 0u) << "as far as is known";
  EXPECT_EQ(Look(kRootNode, "f").node, 0u);
  EXPECT_EQ(Find("elsewhere/f"), f) << "and found again";
  EXPECT_EQ(Read(f), "x");
}

TEST_F(NamesTest, AFileThatTheHostDeletedKeepsItsLastAttributes) {
  host_.Write("f", "content");
  host_.Settle("f");
  const NodeId f = Find("f");
  host_.Remove("f");
  Expire();
  const Attr attr = GetAttr(f);
  EXPECT_EQ(attr.size, 7u);
  EXPECT_EQ(attr.nlink, 0u);
  EXPECT_EQ(Read(f), "content") << "which the host has, since it told of it";
}

TEST_F(NamesTest, ANewObjectOfTheSameNameIsAnotherNode) {
  host_.Write("f", "old");
  const NodeId old = Find("f");
  host_.Write("new", "new");
  host_.Rename("new", "f");
  Expire();
  const NodeId now = Find("f");
  EXPECT_NE(now, old);
  EXPECT_EQ(Read(now), "new");
}

// --- what the VM unlinked ---

TEST_F(NamesTest, AnUnlinkedNodeIsServedFromTheOrphan) {
  host_.Write("f", "still here");
  host_.Settle("f");
  const NodeId f = Find("f");
  ASSERT_TRUE(fs_->Remove(*channel_, kRootNode, "f", false).ok());
  EXPECT_FALSE(host_.Has("f"));
  EXPECT_EQ(Read(f), "still here") << "it was not in the cache";
  Expire();
  EXPECT_EQ(GetAttr(f).nlink, 0u);
  EXPECT_EQ(*fs_->Write(*channel_, f, 0, "STILL", false), 5u);
  EXPECT_EQ(Read(f), "STILL here");
  Expire();
  EXPECT_EQ(Read(f), "STILL here");
}

TEST_F(NamesTest, AReplacedNodeIsServedFromTheOrphan) {
  host_.Write("old", "replaced");
  host_.Write("new", "the new one");
  host_.Settle("new");
  const NodeId old = Find("old"), now = Find("new");
  ASSERT_TRUE(
      fs_->Rename(*channel_, kRootNode, "new", kRootNode, "old", 0).ok());
  EXPECT_EQ(Read(old), "replaced");
  EXPECT_EQ(Read(now), "the new one");
  EXPECT_EQ(Find("old"), now);
}

TEST_F(NamesTest, AForgottenOrphanIsReleasedOnTheHost) {
  host_.Write("f", "content");
  const NodeId f = Find("f");
  const FileId id = fs_->tree().Look(f)->attr.id;
  ASSERT_TRUE(fs_->Remove(*channel_, kRootNode, "f", false).ok());
  EXPECT_EQ(fs_->forgotten_orphans(), 0u);
  ASSERT_EQ(channel_->GetAttr({"", id}).error, 0) << "the host keeps it";
  fs_->Forget(f, 1);
  EXPECT_EQ(fs_->forgotten_orphans(), 1u);
  fs_->ReleaseOrphans(*channel_);
  EXPECT_EQ(Calls(Method::kRelease), 1u);
  EXPECT_EQ(channel_->GetAttr({"", id}).error, ESTALE);
  fs_->ReleaseOrphans(*channel_);
  EXPECT_EQ(Calls(Method::kRelease), 1u) << "nothing to release, no question";
}

TEST_F(NamesTest, WhatTheKernelDoesNotHoldIsNoOrphan) {
  host_.Write("f", "content");
  EXPECT_THAT(Names(kRootNode), ElementsAre("f"));
  const FileId id = cache_->Lookup(remote_->info()->root, "f").id;
  ASSERT_TRUE(fs_->Remove(*channel_, kRootNode, "f", false).ok());
  EXPECT_EQ(channel_->GetAttr({"", id}).error, ESTALE);
  EXPECT_EQ(fs_->forgotten_orphans(), 0u);
}

TEST_F(NamesTest, OneOfTwoNamesIsRemoved) {
  host_.Write("a", "x");
  ASSERT_EQ(link((host_ / "a").c_str(), (host_ / "b").c_str()), 0);
  host_.Settle("a");
  const NodeId f = Find("a");
  EXPECT_EQ(Find("b"), f);
  ASSERT_TRUE(fs_->Remove(*channel_, kRootNode, "a", false).ok());
  EXPECT_EQ(GetAttr(f).nlink, 1u);
  EXPECT_EQ(Read(f), "x");
  EXPECT_EQ(Look(kRootNode, "a").node, 0u);
  EXPECT_EQ(Find("b"), f);
}

// --- our own changes ---

TEST_F(NamesTest, OurOwnChangesAreKnownWithoutAskingAgain) {
  Look(kRootNode, "x");
  const NodeId d = Create(kRootNode, "d", S_IFDIR | 0755);
  const NodeId f = Create(kRootNode, "f", S_IFREG | 0644);
  ASSERT_TRUE(fs_->Link(*channel_, f, kRootNode, "l").ok());
  ASSERT_TRUE(fs_->Rename(*channel_, kRootNode, "f", kRootNode, "g", 0).ok());
  const uint64_t before = remote_->stats().TotalCalls();
  EXPECT_EQ(Find("d"), d);
  EXPECT_EQ(Find("g"), f);
  EXPECT_EQ(Find("l"), f);
  EXPECT_EQ(Look(kRootNode, "f").node, 0u);
  EXPECT_THAT(Names(kRootNode), UnorderedElementsAre("d", "g", "l"));
  EXPECT_EQ(remote_->stats().TotalCalls(), before);
}

TEST_F(NamesTest, AnExchangeIsKnownToo) {
  host_.Write("a", "1");
  host_.MakeDir("b");
  const NodeId a = Find("a"), b = Find("b");
  ASSERT_TRUE(
      fs_->Rename(*channel_, kRootNode, "a", kRootNode, "b", RENAME_EXCHANGE)
          .ok());
  EXPECT_EQ(Find("a"), b);
  EXPECT_EQ(Find("b"), a);
  EXPECT_EQ(PathOf(a), "b");
}

// On the host both names are links of one file by now, which rename(2) leaves.
TEST_F(NamesTest, ARenameThatTheHostHasNothingToDoForIsSeenAsSuch) {
  host_.Write("a", "1");
  host_.Write("b", "2");
  const NodeId a = Find("a");
  Find("b");
  host_.Remove("b");
  std::filesystem::create_hard_link(host_ / "a", host_ / "b");
  TakeEntries();
  ASSERT_TRUE(fs_->Rename(*channel_, kRootNode, "a", kRootNode, "b", 0).ok());
  EXPECT_EQ(Look(kRootNode, "a").node, a);
  EXPECT_EQ(Look(kRootNode, "b").node, a);
  // The kernel takes "a" to be gone, and "b" to be what "a" was.
  EXPECT_THAT(TakeEntries(),
              IsSupersetOf({Pair(kRootNode, "a"), Pair(kRootNode, "b")}));
}

TEST_F(NamesTest, ARenameMovesWhatTheKernelHasAndThatIsTold) {
  host_.Write("a", "old");
  Find("a");
  const auto rename = [&](std::string_view from, std::string_view to,
                          uint32_t flags) {
    TakeEntries();
    ASSERT_TRUE(
        fs_->Rename(*channel_, kRootNode, from, kRootNode, to, flags).ok());
  };
  rename("a", "b", 0);
  EXPECT_THAT(TakeEntries(), IsEmpty()) << "all is as the kernel has it";
  // It moves the old file to "c".
  host_.Write("new", "new");
  host_.Rename("new", "b");
  rename("b", "c", 0);
  EXPECT_THAT(TakeEntries(), Contains(Pair(kRootNode, "c")));
  EXPECT_EQ(Read(Find("c")), "new");
  // It is being told of another file at "c", or a hand is at work there.
  unsure_ = {{kRootNode, "c"}};
  rename("c", "d", 0);
  EXPECT_THAT(TakeEntries(), ElementsAre(Pair(kRootNode, "d")));
  host_.Write("c", "");
  Expire();
  Find("c");
  rename("d", "c", RENAME_EXCHANGE);
  EXPECT_THAT(TakeEntries(), ElementsAre(Pair(kRootNode, "d")));
}

// Somebody else changed the directory too: what our own change tells shows it.
TEST_F(NamesTest, AChangeOfTheHostIsFoundByOurOwn) {
  host_.MakeDir("d");
  const NodeId d = Find("d");
  EXPECT_EQ(Look(d, "theirs").node, 0u);
  host_.Settle("d");  // so that the next change is another version
  host_.Write("d/theirs", "x");
  Create(d, "ours", S_IFREG | 0644);
  EXPECT_NE(Look(d, "theirs").node, 0u) << "without waiting for the TTL";
}

TEST_F(NamesTest, AReadOnlyMountAsksForNoChange) {
  host_.Write("f", "x");
  FileSystemOptions options = Options();
  options.read_only = true;
  Mount(dir_ / "cache", options);
  const NodeId f = Find("f");
  const uint64_t before = remote_->stats().TotalCalls();
  rpc::Channel& c = *channel_;
  EXPECT_EQ(ToErrno(fs_->Write(c, f, 0, "y", false).status()), EROFS);
  EXPECT_EQ(ToErrno(fs_->Remove(c, kRootNode, "f", false)), EROFS);
  EXPECT_EQ(ToErrno(fs_->SetAttr(c, f, {}).status()), EROFS);
  EXPECT_EQ(ToErrno(fs_->Rename(c, kRootNode, "f", kRootNode, "g", 0)), EROFS);
  EXPECT_EQ(ToErrno(fs_->Link(c, f, kRootNode, "l").status()), EROFS);
  EXPECT_EQ(
      ToErrno(fs_->Create(c, {}, kRootNode, "n", S_IFREG, "", true).status()),
      EROFS);
  EXPECT_EQ(ToErrno(fs_->SetXattr(c, {.name = "user.a", .value = "v"}, f)),
            EROFS);
  EXPECT_EQ(remote_->stats().TotalCalls(), before);
  EXPECT_EQ(host_.Read("f"), "x");
}

TEST_F(NamesTest, TheHostsUserIsSeenAsTheMountingOne) {
  FileSystemOptions options = Options();
  options.vm_uid = 4711;
  options.vm_gid = 4712;
  Mount(dir_ / "cache", options);
  host_.Write("f", "x");
  EXPECT_EQ(Look(kRootNode, "f").attr.uid, 4711u);
  EXPECT_EQ(GetAttr(Find("f")).gid, 4712u);
  auto made = fs_->Create(*channel_, {4711, 4712}, kRootNode, "mine",
                          S_IFREG | 0644, "", true);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->attr.uid, 4711u);
  struct stat st {};
  ASSERT_EQ(stat((host_ / "mine").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, geteuid());
}

TEST_F(NamesTest, SymbolicLinksAreReadFromTheCache) {
  ASSERT_EQ(symlink("../any/target", (host_ / "l").c_str()), 0);
  const NodeId l = Find("l");
  EXPECT_EQ(*fs_->ReadLink(*channel_, l), "../any/target");
  EXPECT_EQ(Calls(Method::kReadLink), 0u) << "the listing told it";
}

TEST_F(NamesTest, ANameThatIsTooLongIsNotAsked) {
  const uint64_t before = remote_->stats().TotalCalls();
  EXPECT_EQ(
      ToErrno(
          fs_->Lookup(*channel_, kRootNode, std::string(256, 'n')).status()),
      ENAMETOOLONG);
  EXPECT_EQ(remote_->stats().TotalCalls(), before);
}

// --- big directories ---

class BigDirectoryTest : public FileSystemTest {
 protected:
  static constexpr int kNames = 10'050;

  BigDirectoryTest() {
    host_.MakeDir("big");
    for (int i = 0; i < kNames; ++i) {
      std::ofstream(host_ / ("big/" + Name(i)));
    }
    host_.Settle("big/" + Name(kNames - 1));
    big_ = Find("big");
  }
  static std::string Name(int i) { return "name-" + std::to_string(i); }

  NodeId big_ = 0;
};

TEST_F(BigDirectoryTest, IsListedInPages) {
  const std::vector<std::string> names = Names(big_, 1'000);
  EXPECT_EQ(names.size(), size_t{kNames});
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(),
            size_t{kNames});
  EXPECT_EQ(Calls(Method::kList), 2u) << "the root's and its own";
  EXPECT_EQ(Calls(Method::kListMore), 2u);
  EXPECT_EQ(fs_->tree().Look(big_)->listing_entries, uint32_t{kNames});
  Expire();
  EXPECT_EQ(Names(big_, 5'000).size(), size_t{kNames});
  EXPECT_EQ(Calls(Method::kListMore), 2u) << "confirmed as a whole";
}

TEST_F(BigDirectoryTest, IsNotListedAgainForOneName) {
  const NodeId first = Look(big_, Name(1)).node;
  EXPECT_EQ(Calls(Method::kLookup), 0u) << "the first time it is listed";
  Expire();
  const uint64_t lists = Calls(Method::kList);
  EXPECT_EQ(Look(big_, Name(1)).node, first);
  EXPECT_NE(Look(big_, Name(kNames - 1)).node, 0u);
  EXPECT_EQ(Look(big_, "missing").node, 0u);
  EXPECT_EQ(Calls(Method::kLookup), 3u) << "one for each name";
  EXPECT_EQ(GetAttr(first).size, 0u);
  Expire();
  const uint64_t attrs = Calls(Method::kGetAttr);
  EXPECT_EQ(GetAttr(first).size, 0u);
  EXPECT_EQ(Calls(Method::kGetAttr), attrs + 1);
  EXPECT_EQ(Calls(Method::kList), lists);
}

TEST_F(BigDirectoryTest, SingleLookupsSeeTheHostsChanges) {
  const NodeId first = Look(big_, Name(1)).node;
  Expire();
  host_.Write("big/" + Name(1), "now with content");
  host_.Write("big/new", "");
  host_.Remove("big/" + Name(2));
  EXPECT_EQ(Look(big_, Name(1)).attr.size, 16u);
  EXPECT_EQ(Read(first), "now with content");
  EXPECT_NE(Look(big_, "new").node, 0u);
  EXPECT_EQ(Look(big_, Name(2)).node, 0u);
  EXPECT_EQ(Names(big_).size(), size_t{kNames}) << "one more, one less";
}

}  // namespace
}  // namespace warmfs::fuse
