// The tree's nodes: what keeps them, where they are, how fresh they are.

#include "fuse/tree.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/fuse/tree_values.h"

namespace warmfs::fuse {
namespace {

class TreeTest : public testing::Test {
 protected:
  NodeId Bind(NodeId parent, std::string_view name, const Attr& attr,
              Instant at = 1) {
    return tree_.Bind(parent, name, attr, at).node;
  }
  std::string PathOf(NodeId node) { return tree_.Look(node)->ref.path; }

  Tree tree_{kRootAttr};
};

// --- what keeps a node ---

TEST_F(TreeTest, TheRootIsThereFromTheStartAndStays) {
  const auto root = tree_.Look(kRootNode);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->attr, kRootAttr);
  EXPECT_EQ(root->ref.path, "");
  EXPECT_FALSE(root->placeless);
  EXPECT_EQ(tree_.Find(kRootAttr.id), kRootNode);
  EXPECT_FALSE(tree_.Forget(kRootNode, 1'000'000));
  EXPECT_TRUE(tree_.Look(kRootNode));
}

TEST_F(TreeTest, ANodeGoesWithItsLastLookup) {
  const NodeId file = Bind(kRootNode, "f", FileAttr(2));
  EXPECT_EQ(Bind(kRootNode, "f", FileAttr(2)), file);
  EXPECT_EQ(Bind(kRootNode, "f", FileAttr(2)), file);
  tree_.Forget(file, 2);
  EXPECT_TRUE(tree_.Look(file));
  tree_.Forget(file, 1);
  EXPECT_FALSE(tree_.Look(file));
  EXPECT_EQ(tree_.Find(FileAttr(2).id), 0u);
  EXPECT_EQ(tree_.size(), 1u);
}

TEST_F(TreeTest, TooManyForgetsAreHarmless) {
  const NodeId file = Bind(kRootNode, "f", FileAttr(2));
  EXPECT_FALSE(tree_.Forget(file, 99));
  EXPECT_FALSE(tree_.Forget(file, 1));
  EXPECT_FALSE(tree_.Forget(0, 1));
  EXPECT_FALSE(tree_.Forget(123'456, 1));
  EXPECT_EQ(tree_.size(), 1u);
}

// The kernel forgets in any order; a path needs the directories above.
TEST_F(TreeTest, AParentThatIsForgottenFirstStaysForItsChild) {
  const NodeId a = Bind(kRootNode, "a", DirAttr(2));
  const NodeId b = Bind(a, "b", DirAttr(3));
  const NodeId c = Bind(b, "c", FileAttr(4));
  tree_.Forget(a, 1);
  tree_.Forget(b, 1);
  EXPECT_EQ(PathOf(c), "a/b/c");
  EXPECT_EQ(tree_.size(), 4u);
  tree_.Forget(c, 1);
  EXPECT_EQ(tree_.size(), 1u) << "all that it held up is gone with it";
}

TEST_F(TreeTest, AParentWithAnotherChildStays) {
  const NodeId a = Bind(kRootNode, "a", DirAttr(2));
  const NodeId b = Bind(a, "b", FileAttr(3));
  const NodeId c = Bind(a, "c", FileAttr(4));
  tree_.Forget(a, 1);
  tree_.Forget(b, 1);
  EXPECT_EQ(PathOf(c), "a/c");
  tree_.Forget(c, 1);
  EXPECT_FALSE(tree_.Look(a));
}

TEST_F(TreeTest, AnIdIsUsedAgainOnlyOnceItIsForgotten) {
  std::vector<NodeId> first;
  for (uint64_t n = 2; n < 102; ++n) {
    first.push_back(Bind(kRootNode, std::to_string(n), FileAttr(n)));
  }
  const std::set<NodeId> held(first.begin(), first.end());
  EXPECT_EQ(held.size(), 100u);
  tree_.Forget(first[40], 1);
  const NodeId next = Bind(kRootNode, "next", FileAttr(500, 7));
  EXPECT_EQ(next, first[40]);
  const auto view = tree_.Look(next);
  EXPECT_EQ(view->attr, FileAttr(500, 7)) << "nothing is left of the old one";
  EXPECT_EQ(view->name, "next");
  EXPECT_EQ(view->racy_read_at, 0);
  EXPECT_EQ(tree_.Find(FileAttr(42).id), 0u);
}

TEST_F(TreeTest, AChangeUnderWayKeepsANodeThatIsForgotten) {
  const NodeId file = Bind(kRootNode, "f", FileAttr(2));
  const Stamp begun = tree_.BeginChange(file);
  tree_.Forget(file, 1);
  EXPECT_TRUE(tree_.Look(file));
  const Change change{FileAttr(2), FileAttr(2, 2)};
  tree_.EndChange(file, begun, &change, 5);
  EXPECT_FALSE(tree_.Look(file));
  const NodeId again = Bind(kRootNode, "f", FileAttr(2));
  tree_.BeginChange(again);
  tree_.Forget(again, 1);
  tree_.CancelChange(again);
  EXPECT_FALSE(tree_.Look(again));
}

TEST_F(TreeTest, ForgettingAnOrphanTellsItsIdOnce) {
  const NodeId file = Bind(kRootNode, "f", FileAttr(2));
  Bind(kRootNode, "f", FileAttr(2));
  tree_.Unlink(kRootNode, "f", tree_.Now(), FileAttr(2, 2), true, 5);
  EXPECT_TRUE(tree_.Look(file)->placeless);
  EXPECT_FALSE(tree_.Forget(file, 1)) << "still referred to";
  EXPECT_EQ(tree_.Forget(file, 1), FileAttr(2).id);
  EXPECT_FALSE(tree_.Look(file));
}

TEST_F(TreeTest, UnlinkingOneOfTwoNamesKeepsThePlaceOfTheOther) {
  const NodeId file = Bind(kRootNode, "a", FileAttr(2));
  Bind(kRootNode, "b", FileAttr(2));  // it is where it was looked up last
  tree_.Unlink(kRootNode, "a", tree_.Now(), FileAttr(2, 2), false, 5);
  EXPECT_EQ(PathOf(file), "b");
  tree_.Unlink(kRootNode, "b", tree_.Now(), FileAttr(2, 3), false, 6);
  EXPECT_TRUE(tree_.Look(file)->placeless);
  EXPECT_FALSE(tree_.Forget(file, 2)) << "the host keeps no orphan of it";
}

// --- where a node is ---

TEST_F(TreeTest, MovesCarryWhatIsBeneath) {
  const NodeId a = Bind(kRootNode, "a", DirAttr(2));
  const NodeId b = Bind(a, "b", DirAttr(3));
  const NodeId c = Bind(b, "c", FileAttr(4));
  const NodeId x = Bind(kRootNode, "x", DirAttr(5));
  tree_.Move(DirAttr(3).id, x, "moved");
  EXPECT_EQ(PathOf(c), "x/moved/c");
  tree_.Forget(a, 1);
  EXPECT_FALSE(tree_.Look(a)) << "nothing of it is held any more";
}

TEST_F(TreeTest, ANodeThatIsGoneIsPlacelessButKnown) {
  const NodeId a = Bind(kRootNode, "a", DirAttr(2));
  const NodeId f = Bind(a, "f", FileAttr(3));
  tree_.MarkGone(f);
  auto view = tree_.Look(f);
  EXPECT_TRUE(view->placeless);
  EXPECT_EQ(view->ref.path, "");
  EXPECT_EQ(view->ref.id, FileAttr(3).id);
  EXPECT_EQ(view->attr.nlink, 0u);
  EXPECT_EQ(Bind(kRootNode, "f", FileAttr(3)), f) << "found elsewhere";
  EXPECT_FALSE(tree_.Look(f)->placeless);
  EXPECT_EQ(tree_.Look(f)->attr_fresh_at, 0) << "its attributes are asked for";
  tree_.MarkGone(kRootNode);
  EXPECT_FALSE(tree_.Look(kRootNode)->placeless);
}

// a/b was turned into b/a on the host, and a listing of b tells so first.
TEST_F(TreeTest, DirectoriesTurnedInsideOutMakeNoCircle) {
  const NodeId a = Bind(kRootNode, "a", DirAttr(2));
  const NodeId b = Bind(a, "b", DirAttr(3));
  tree_.Move(DirAttr(2).id, b, "a");
  EXPECT_TRUE(tree_.Look(b)->placeless) << "until its new place is heard of";
  EXPECT_EQ(PathOf(a), "a") << "of what is known of it";
  EXPECT_EQ(tree_.Look(a)->parent, b);
  tree_.Move(DirAttr(3).id, kRootNode, "b");
  EXPECT_EQ(PathOf(a), "b/a");
  tree_.Forget(a, 1);
  tree_.Forget(b, 1);
  EXPECT_EQ(tree_.size(), 1u);
}

TEST_F(TreeTest, ALongChainTurnedInsideOutIsCutAtTheRightPlace) {
  const NodeId a = Bind(kRootNode, "a", DirAttr(2));
  const NodeId b = Bind(a, "b", DirAttr(3));
  const NodeId c = Bind(b, "c", DirAttr(4));
  const NodeId d = Bind(c, "d", DirAttr(5));
  tree_.Move(DirAttr(2).id, d, "a");
  EXPECT_TRUE(tree_.Look(b)->placeless);
  EXPECT_EQ(PathOf(a), "c/d/a") << "beneath b, wherever that is";
  for (const NodeId node : {d, b, a, c}) tree_.Forget(node, 1);
  EXPECT_EQ(tree_.size(), 1u);
}

// The same, when nothing but its child holds the directory up.
TEST_F(TreeTest, TurningAForgottenDirectoryInsideOutLeavesNothingBehind) {
  const NodeId a = Bind(kRootNode, "a", DirAttr(2));
  const NodeId b = Bind(a, "b", DirAttr(3));
  tree_.Forget(a, 1);
  ASSERT_TRUE(tree_.Look(a)) << "its child holds it";
  tree_.Move(DirAttr(2).id, b, "a");
  EXPECT_FALSE(tree_.Look(a)) << "nothing holds it any more";
  EXPECT_EQ(tree_.size(), 2u);
  // The place of it is used again, and b is not held by what was there.
  const NodeId next = Bind(kRootNode, "next", FileAttr(9));
  EXPECT_EQ(next, a);
  tree_.Forget(next, 1);
  tree_.Forget(b, 1);
  EXPECT_EQ(tree_.size(), 1u);
}

TEST_F(TreeTest, NonsensePlacesAreIgnored) {
  const NodeId a = Bind(kRootNode, "a", DirAttr(2));
  tree_.Move(DirAttr(2).id, a, "itself");
  EXPECT_EQ(PathOf(a), "a");
  tree_.Move(kRootAttr.id, a, "root");
  EXPECT_EQ(PathOf(kRootNode), "");
  tree_.Move(DirAttr(2).id, 4711, "nowhere");
  EXPECT_EQ(PathOf(a), "a");
  tree_.Move(DirAttr(99).id, kRootNode, "unknown");
  EXPECT_EQ(tree_.size(), 2u);
}

TEST_F(TreeTest, LongPaths) {
  NodeId at = kRootNode;
  std::string path;
  for (uint64_t n = 2; n < 2002; ++n) {
    const std::string name = "directory-" + std::to_string(n);
    at = Bind(at, name, DirAttr(n));
    path += (path.empty() ? "" : "/") + name;
  }
  EXPECT_EQ(PathOf(at), path);
}

// --- the index ---

TEST_F(TreeTest, IdsThatAreAlikeAreToldApart) {
  constexpr uint64_t kMany = 5'000;
  std::vector<NodeId> nodes;
  for (uint64_t n = 0; n < kMany; ++n) {
    for (const FileId& id : {FileId{n, 77}, FileId{77'000'000, n}}) {
      Attr attr = FileAttr(1);
      attr.id = id;
      nodes.push_back(Bind(kRootNode, id.ToString(), attr));
      ASSERT_EQ(tree_.Find(id), nodes.back());
    }
  }
  EXPECT_EQ(tree_.size(), 2 * kMany + 1);
  for (size_t i = 0; i < nodes.size(); i += 2) tree_.Forget(nodes[i], 1);
  for (uint64_t n = 0; n < kMany; ++n) {
    EXPECT_EQ(tree_.Find({n, 77}), 0u);
    EXPECT_EQ(tree_.Find({77'000'000, n}), nodes[2 * n + 1]);
  }
}

// A host that answers with another object's attributes must not make the index
// point to the wrong node.
TEST_F(TreeTest, AttributesOfAnotherObjectAreNotTaken) {
  const NodeId a = Bind(kRootNode, "a", DirAttr(2));
  const NodeId f = Bind(a, "f", FileAttr(3));
  const Stamp begun = tree_.BeginChange(f);
  const Change change{FileAttr(3), FileAttr(99)};
  EXPECT_FALSE(tree_.EndChange(f, begun, &change, 5));
  tree_.ConfirmListing(a, DirAttr(98), tree_.Now(), 6);
  tree_.FinishListing(a, DirAttr(97), 0, tree_.Now(), 6);
  EXPECT_EQ(tree_.Find(FileAttr(3).id), f);
  EXPECT_EQ(tree_.Find(DirAttr(2).id), a);
  EXPECT_EQ(tree_.Look(f)->attr.id, FileAttr(3).id);
  tree_.Forget(f, 1);
  tree_.Forget(a, 1);
  EXPECT_EQ(tree_.Find(FileAttr(3).id), 0u);
  EXPECT_EQ(tree_.size(), 1u);
}

TEST_F(TreeTest, ANodeCostsAtMostFourHundredBytes) {
  constexpr uint64_t kMany = 100'000;
  for (uint64_t n = 2; n < kMany + 2; ++n) {
    Bind(kRootNode, std::to_string(n), FileAttr(n));
  }
  ASSERT_EQ(tree_.size(), kMany + 1);
  const uint64_t node_bytes = tree_.memory_bytes() / tree_.size();
  RecordProperty("node_bytes", std::to_string(node_bytes));
  std::printf("%lu bytes a node\n", node_bytes);
  EXPECT_LE(node_bytes, 400u);
}

TEST_F(TreeTest, ForEachVisitsAllOnce) {
  std::set<NodeId> expected = {kRootNode};
  for (uint64_t n = 2; n < 50; ++n) {
    expected.insert(Bind(kRootNode, std::to_string(n), FileAttr(n)));
  }
  std::set<NodeId> seen;
  tree_.ForEach([&](const NodeView& view) {
    EXPECT_TRUE(seen.insert(view.node).second);
    EXPECT_EQ(tree_.Look(view.node)->ref.path, view.ref.path);
  });
  EXPECT_EQ(seen, expected);
}

// --- freshness ---

TEST_F(TreeTest, AConfirmedListingMakesWhatIsInItFresh) {
  std::vector<NodeId> invalidate;
  const NodeId f = Bind(kRootNode, "f", FileAttr(2), 10);
  std::vector<DirEntry> entries = {{"f", FileAttr(2), ""}};
  tree_.ApplyListing(kRootNode, absl::MakeSpan(entries), tree_.Now(), 10,
                     invalidate);
  tree_.FinishListing(kRootNode, kRootAttr, 1, tree_.Now(), 10);
  EXPECT_EQ(tree_.Look(kRootNode)->listing_entries, 1u);
  EXPECT_EQ(tree_.Look(f)->attr_fresh_at, 10);
  tree_.ConfirmListing(kRootNode, kRootAttr, tree_.Now(), 20);
  EXPECT_EQ(tree_.Look(kRootNode)->listing_at, 20);
  EXPECT_EQ(tree_.Look(f)->attr_fresh_at, 20);
}

TEST_F(TreeTest, WhatWasNotInTheLastListingIsNotMadeFreshByIt) {
  const NodeId f = Bind(kRootNode, "f", FileAttr(2), 5);
  tree_.FinishListing(kRootNode, kRootAttr, 0, tree_.Now(), 10);
  tree_.ConfirmListing(kRootNode, kRootAttr, tree_.Now(), 20);
  EXPECT_EQ(tree_.Look(f)->attr_fresh_at, 5);
}

TEST_F(TreeTest, ExpiryIsForTheNextLookOnly) {
  const NodeId f = Bind(kRootNode, "f", FileAttr(2), 10);
  tree_.ExpireAttr(f);
  EXPECT_EQ(tree_.Look(f)->attr_fresh_at, 0);
  tree_.Apply(FileAttr(2), tree_.Now(), 20);
  EXPECT_EQ(tree_.Look(f)->attr_fresh_at, 20);
  tree_.ConfirmListing(kRootNode, kRootAttr, tree_.Now(), 20);
  tree_.ExpireListing(kRootNode);
  EXPECT_EQ(tree_.Look(kRootNode)->listing_at, 0);
}

// The node is gone, and with it that what the cache has of it is not to be
// believed; so its directory is listed again.
TEST_F(TreeTest, ADoubtOutlivesItsNode) {
  const NodeId f = Bind(kRootNode, "f", FileAttr(2), 10);
  tree_.FinishListing(kRootNode, kRootAttr, 1, tree_.Now(), 10, true);
  tree_.ExpireAttr(f);
  EXPECT_TRUE(tree_.Look(kRootNode)->leased);
  tree_.Forget(f, 1);
  EXPECT_FALSE(tree_.Look(kRootNode)->leased);
  EXPECT_TRUE(tree_.Look(kRootNode)->doubted);
}

// --- what the kernel was told ---

TEST_F(TreeTest, WhatIsToldIsOneStepWithTheLookAtWhatWasTold) {
  const NodeId file = Bind(kRootNode, "f", FileAttr(2));
  const Told nothing = tree_.told(file);
  EXPECT_EQ(nothing.at_most, Told::kNothing);
  EXPECT_TRUE(tree_.NoteTold(file, 10, 1, nothing));
  const Told first = tree_.told(file);
  tree_.NoteMayBeLonger(file, 20);
  EXPECT_FALSE(tree_.NoteTold(file, 10, 2, first)) << "made longer since";
  EXPECT_EQ(tree_.told(file).at_most, 20u);
  EXPECT_EQ(tree_.told(file).version, 0u);
  tree_.NoteMayBeLonger(file, 15);
  EXPECT_TRUE(tree_.NoteTold(file, 20, 2, tree_.told(file)));
  EXPECT_FALSE(tree_.NoteTold(file, 20, 3, first)) << "another version";
}

TEST_F(TreeTest, ThatAFileIsLongerIsTakenInOnceThatIsNoted) {
  Attr attr = FileAttr(2);
  attr.size = 20;
  const NodeId file = Bind(kRootNode, "f", attr);
  tree_.NoteTold(file, 10, 1);
  EXPECT_EQ(tree_.told(file).at_least, 10u) << "a new inode takes all in";
  tree_.NoteTold(file, 20, 2);
  EXPECT_EQ(tree_.told(file).at_least, 10u);
  tree_.NoteLonger(file, 20);
  EXPECT_EQ(tree_.told(file).at_least, 20u);
  tree_.NoteMayBeShorter(file, 5);
  EXPECT_EQ(tree_.told(file).at_least, 5u);
  EXPECT_EQ(tree_.told(file).at_most, 20u);
  tree_.NoteLonger(file, 30);
  EXPECT_EQ(tree_.told(file).at_least, 20u) << "it is shorter again";
  tree_.NoteTold(file, 5, 3);
  EXPECT_EQ(tree_.told(file).at_least, 5u);
}

// --- what new attributes mean for the kernel's pages ---

TEST_F(TreeTest, OnlyAChangeThatTheKernelCannotSeeIsTold) {
  Bind(kRootNode, "f", FileAttr(2), 1);
  const auto apply = [&](const Attr& attr) {
    return tree_.Apply(attr, tree_.Now(), 2);
  };
  Attr attr = FileAttr(2);
  EXPECT_EQ(apply(attr), PageEffect::kNone) << "nothing changed";
  attr.atime = {5, 5};
  attr.nlink = 2;
  EXPECT_EQ(apply(attr), PageEffect::kNone) << "not the content";
  attr.mtime.nsec = 77;
  attr.ctime.nsec = 77;
  EXPECT_EQ(apply(attr), PageEffect::kNone) << "the kernel sees the mtime";
  attr.size = 78;
  attr.ctime.nsec = 78;
  EXPECT_EQ(apply(attr), PageEffect::kNone) << "the kernel sees the size";
  attr.ctime.nsec = 79;
  EXPECT_EQ(apply(attr), PageEffect::kInvalidate) << "mtime was set back";
  EXPECT_EQ(apply(attr), PageEffect::kNone) << "once";
}

TEST_F(TreeTest, ARacyReadIsCheckedOnceItIsNotRacyAnyMore) {
  Attr attr = FileAttr(2);
  attr.racy = true;
  const NodeId f = Bind(kRootNode, "f", attr, 1);
  tree_.NoteRacyRead(f, 1);
  EXPECT_EQ(tree_.Apply(attr, tree_.Now(), 2), PageEffect::kNone);
  EXPECT_EQ(tree_.Look(f)->racy_read_at, 1) << "still racy";
  attr.racy = false;
  EXPECT_EQ(tree_.Apply(attr, tree_.Now(), 3), PageEffect::kInvalidate);
  EXPECT_EQ(tree_.Look(f)->racy_read_at, 0);
  EXPECT_EQ(tree_.Apply(attr, tree_.Now(), 4), PageEffect::kNone);
}

// The kernel keeps listings too, and drops them by itself for another mtime.
TEST_F(TreeTest, AListingThatTheKernelCannotSeeToBeOldIsTold) {
  const NodeId d = Bind(kRootNode, "d", DirAttr(2), 1);
  const auto finish = [&](const Attr& attr) {
    return tree_.FinishListing(d, attr, 0, tree_.Now(), 5);
  };
  EXPECT_EQ(finish(DirAttr(2)), PageEffect::kNone) << "the first";
  EXPECT_EQ(finish(DirAttr(2, 2)), PageEffect::kNone) << "another mtime";
  EXPECT_EQ(finish(DirAttr(2, 2)), PageEffect::kInvalidate);
}

TEST_F(TreeTest, ADirectoryThatHasChangedIsListedAgain) {
  const NodeId d = Bind(kRootNode, "d", DirAttr(2), 1);
  tree_.FinishListing(d, DirAttr(2), 0, tree_.Now(), 5);
  EXPECT_EQ(tree_.Look(d)->listing_at, 5);
  tree_.Apply(DirAttr(2), tree_.Now(), 6);
  EXPECT_EQ(tree_.Look(d)->listing_at, 5);
  tree_.Apply(DirAttr(2, 2), tree_.Now(), 7);
  EXPECT_EQ(tree_.Look(d)->listing_at, 0);
}

// --- what the kernel's pages are ---

// In the same step: whoever sees the new attributes is to see that, too.
TEST(StaleTest, AnotherVersionThanTheKernelsIsToldOf) {
  std::vector<NodeId> stale;
  Tree tree(kRootAttr, /*kernel_asks=*/false,
            [&](NodeId node) { stale.push_back(node); });
  Attr attr = FileAttr(2);
  const NodeId file = tree.Bind(kRootNode, "f", attr, 1).node;
  EXPECT_EQ(tree.Apply(attr, tree.Now(), 2), PageEffect::kNone);
  EXPECT_TRUE(stale.empty());
  ++attr.mtime.sec;
  EXPECT_EQ(tree.Apply(attr, tree.Now(), 3), PageEffect::kInvalidate);
  EXPECT_EQ(stale, std::vector<NodeId>{file});
  ++attr.mtime.sec;
  std::vector<DirEntry> listing = {{.name = "f", .attr = attr}};
  std::vector<NodeId> invalidate;
  tree.ApplyListing(kRootNode, absl::MakeSpan(listing), tree.Now(), 4,
                    invalidate);
  EXPECT_EQ(stale, (std::vector<NodeId>{file, file}));
  ++attr.mtime.sec;
  tree.ApplyOwn(attr, tree.Now(), 5);
  EXPECT_EQ(tree.Look(file)->attr, attr);
  EXPECT_EQ(stale.size(), 2u) << "of its own work the kernel knows";
}

}  // namespace
}  // namespace warmfs::fuse
