// Questions and changes of our own that cross each other, step by step: each
// order that the header of fuse/tree.h names.

#include <gtest/gtest.h>

#include <vector>

#include "fuse/tree.h"
#include "tests/fuse/tree_values.h"

namespace warmfs::fuse {
namespace {

class TreeRaceTest : public testing::Test {
 protected:
  TreeRaceTest() { f_ = tree_.Bind(kRootNode, "f", FileAttr(2), 1).node; }

  Attr Known() { return tree_.Look(f_)->attr; }
  bool Uncertain() { return tree_.Look(f_)->attr_fresh_at == 0; }
  bool End(Stamp begun, uint32_t before, uint32_t after, Instant at = 5) {
    const Change change{FileAttr(2, before), FileAttr(2, after)};
    return tree_.EndChange(f_, begun, &change, at);
  }
  // The answer to a listing of the root in which f has this generation.
  bool AnswerListing(Stamp asked, uint32_t generation) {
    if (tree_.IsLate(kRootNode, asked)) return false;
    std::vector<DirEntry> entries = {{"f", FileAttr(2, generation), ""}};
    std::vector<NodeId> invalidate;
    tree_.ApplyListing(kRootNode, absl::MakeSpan(entries), asked, 5,
                       invalidate);
    tree_.FinishListing(kRootNode, kRootAttr, 1, asked, 5);
    EXPECT_EQ(entries[0].attr, Known()) << "the cache is given what we know";
    return true;
  }

  Tree tree_{kRootAttr};
  NodeId f_ = 0;
};

TEST_F(TreeRaceTest, QuestionAnsweredBeforeTheChangeEnds) {
  const Stamp begun = tree_.BeginChange(f_);
  const Stamp asked = tree_.Now();
  tree_.Apply(FileAttr(2, 1), asked, 3);  // the host saw it before the change
  EXPECT_TRUE(End(begun, 1, 2));
  EXPECT_EQ(Known(), FileAttr(2, 2)) << "the change's reply overwrites";
  EXPECT_FALSE(Uncertain());
}

TEST_F(TreeRaceTest, QuestionThatSawTheChangeAnsweredBeforeItEnds) {
  const Stamp begun = tree_.BeginChange(f_);
  tree_.Apply(FileAttr(2, 2), tree_.Now(), 3);
  EXPECT_FALSE(End(begun, 1, 2)) << "it was not what we took it for";
  EXPECT_EQ(Known(), FileAttr(2, 2));
  EXPECT_FALSE(Uncertain());
}

TEST_F(TreeRaceTest, QuestionFromBeforeTheChangeAnsweredAfterIt) {
  const Stamp asked = tree_.Now();
  const Stamp begun = tree_.BeginChange(f_);
  End(begun, 1, 2);
  tree_.Apply(FileAttr(2, 1), asked, 9);
  EXPECT_EQ(Known(), FileAttr(2, 2)) << "dropped";
}

TEST_F(TreeRaceTest, QuestionFromWithinTheChangeAnsweredAfterIt) {
  const Stamp begun = tree_.BeginChange(f_);
  const Stamp asked = tree_.Now();
  End(begun, 1, 2);
  tree_.Apply(FileAttr(2, 1), asked, 9);
  EXPECT_EQ(Known(), FileAttr(2, 2)) << "dropped";
  tree_.Apply(FileAttr(2, 3), asked, 9);
  EXPECT_EQ(Known(), FileAttr(2, 2)) << "dropped, though it would be right";
}

TEST_F(TreeRaceTest, QuestionFromAfterTheChangeIsApplied) {
  const Stamp begun = tree_.BeginChange(f_);
  End(begun, 1, 2);
  tree_.Apply(FileAttr(2, 3), tree_.Now(), 9);
  EXPECT_EQ(Known(), FileAttr(2, 3));
}

TEST_F(TreeRaceTest, TwoChangesAtOnceAreUncertainInEitherOrder) {
  const Stamp first = tree_.BeginChange(f_);
  const Stamp second = tree_.BeginChange(f_);
  End(second, 2, 3);
  EXPECT_FALSE(Uncertain()) << "nothing tells yet that there was another";
  End(first, 1, 2);
  EXPECT_TRUE(Uncertain()) << "its reply is older than what was known";
  tree_.Apply(FileAttr(2, 3), tree_.Now(), 9);
  EXPECT_FALSE(Uncertain());
  EXPECT_EQ(Known(), FileAttr(2, 3));
}

TEST_F(TreeRaceTest, AChangeThatBeginsBeforeAnUncertainEndStaysUncertain) {
  const Stamp first = tree_.BeginChange(f_);
  const Stamp second = tree_.BeginChange(f_);
  End(first, 1, 2);
  const Stamp third = tree_.BeginChange(f_);
  End(second, 2, 3);
  End(third, 3, 4);
  EXPECT_TRUE(Uncertain());
  const Stamp alone = tree_.BeginChange(f_);
  End(alone, 4, 5);
  EXPECT_FALSE(Uncertain()) << "nothing else was under way";
}

TEST_F(TreeRaceTest, AnAnswerFromBeforeDoesNotEndUncertainty) {
  const Stamp asked = tree_.Now();
  const Stamp first = tree_.BeginChange(f_);
  const Stamp second = tree_.BeginChange(f_);
  End(second, 2, 3);
  End(first, 1, 2);
  tree_.Apply(FileAttr(2, 3), asked, 9);
  EXPECT_TRUE(Uncertain());
}

TEST_F(TreeRaceTest, AFailedChangeIsUncertain) {
  const Stamp begun = tree_.BeginChange(f_);
  const Stamp asked = tree_.Now();
  EXPECT_FALSE(tree_.EndChange(f_, begun, nullptr, 5));
  EXPECT_EQ(Known(), FileAttr(2, 1));
  EXPECT_TRUE(Uncertain());
  tree_.Apply(FileAttr(2, 1), asked, 9);
  EXPECT_TRUE(Uncertain()) << "the host may have done it after it answered";
}

TEST_F(TreeRaceTest, ARefusedChangeChangesNothing) {
  const Stamp asked = tree_.Now();
  tree_.BeginChange(f_);
  tree_.CancelChange(f_);
  EXPECT_FALSE(Uncertain());
  tree_.Apply(FileAttr(2, 2), asked, 9);
  EXPECT_EQ(Known(), FileAttr(2, 2)) << "answers from before are good";
}

// --- listings ---

TEST_F(TreeRaceTest, AListingFromBeforeOurOwnChangeOfTheDirectoryIsLate) {
  const Stamp asked = tree_.Now();
  const Stamp begun = tree_.BeginChange(kRootNode);
  EXPECT_FALSE(tree_.IsLate(kRootNode, asked)) << "not over yet";
  const Change change{kRootAttr, DirAttr(1, 2)};
  EXPECT_TRUE(tree_.EndChange(kRootNode, begun, &change, 5));
  EXPECT_FALSE(AnswerListing(asked, 1));
  EXPECT_TRUE(AnswerListing(tree_.Now(), 1));
}

TEST_F(TreeRaceTest, ALateListingIsNotConfirmedEither) {
  const Stamp asked = tree_.Now();
  const Stamp begun = tree_.BeginChange(kRootNode);
  const Change change{kRootAttr, DirAttr(1, 2)};
  tree_.EndChange(kRootNode, begun, &change, 5);
  tree_.ConfirmListing(kRootNode, kRootAttr, asked, 9);
  EXPECT_EQ(tree_.Look(kRootNode)->listing_at, 0);
  EXPECT_EQ(tree_.Look(kRootNode)->attr, DirAttr(1, 2));
  tree_.FinishListing(kRootNode, kRootAttr, 3, asked, 9);
  EXPECT_EQ(tree_.Look(kRootNode)->listing_at, 0);
  EXPECT_EQ(tree_.Look(kRootNode)->listing_entries, 0u);
}

TEST_F(TreeRaceTest, AnEntryThatWeChangedSinceKeepsWhatWeKnow) {
  const Stamp asked = tree_.Now();
  const Stamp begun = tree_.BeginChange(f_);
  End(begun, 1, 2);
  // The directory itself was not changed: the listing is not late.
  EXPECT_TRUE(AnswerListing(asked, 1));
  EXPECT_EQ(Known(), FileAttr(2, 2));
  EXPECT_TRUE(AnswerListing(tree_.Now(), 3));
  EXPECT_EQ(Known(), FileAttr(2, 3));
}

TEST_F(TreeRaceTest, AChangeOfAForgottenNodeMakesEarlierListingsLate) {
  const Stamp asked = tree_.Now();
  const Stamp begun = tree_.BeginChange(f_);
  End(begun, 1, 2);
  tree_.Forget(f_, 1);
  // Nothing is left of the node to tell that the listing's entry is old.
  EXPECT_TRUE(tree_.IsLate(kRootNode, asked));
  EXPECT_FALSE(tree_.IsLate(kRootNode, tree_.Now()));
}

TEST_F(TreeRaceTest, AnUnlinkedNodeIsNotBroughtBackByALateListing) {
  const Stamp asked = tree_.Now();
  const Stamp begun = tree_.BeginChange(kRootNode);
  tree_.Unlink(kRootNode, "f", tree_.Now(), FileAttr(2, 2), true, 5);
  const Change change{kRootAttr, DirAttr(1, 2)};
  tree_.EndChange(kRootNode, begun, &change, 5);
  EXPECT_FALSE(AnswerListing(asked, 1));
  EXPECT_TRUE(tree_.Look(f_)->placeless);
  tree_.Apply(FileAttr(2, 1), asked, 9);
  EXPECT_EQ(Known(), FileAttr(2, 2)) << "nor are its attributes";
}

TEST_F(TreeRaceTest, ADirectoryThatIsGoneIsLate) {
  const NodeId d = tree_.Bind(kRootNode, "d", DirAttr(3), 1).node;
  const Stamp asked = tree_.Now();
  EXPECT_FALSE(tree_.IsLate(d, asked));
  tree_.Forget(d, 1);
  EXPECT_TRUE(tree_.IsLate(d, asked));
}

TEST_F(TreeRaceTest, ListingsPutWhatTheHostMovedInItsPlace) {
  const NodeId d = tree_.Bind(kRootNode, "d", DirAttr(3), 1).node;
  std::vector<DirEntry> entries = {{"moved", FileAttr(2), ""}};
  std::vector<NodeId> invalidate;
  tree_.ApplyListing(d, absl::MakeSpan(entries), tree_.Now(), 5, invalidate);
  EXPECT_EQ(tree_.Look(f_)->ref.path, "d/moved");
  // One of several names: it may still be where it was.
  entries = {{"link", FileAttr(2), ""}};
  entries[0].attr.nlink = 2;
  tree_.ApplyListing(kRootNode, absl::MakeSpan(entries), tree_.Now(), 6,
                     invalidate);
  EXPECT_EQ(tree_.Look(f_)->ref.path, "d/moved");
  EXPECT_TRUE(invalidate.empty());
}

TEST_F(TreeRaceTest, ListingsNameTheNodesWhosePagesMustGo) {
  std::vector<DirEntry> entries = {{"f", FileAttr(2), ""}};
  entries[0].attr.ctime.nsec += 5;
  std::vector<NodeId> invalidate;
  tree_.ApplyListing(kRootNode, absl::MakeSpan(entries), tree_.Now(), 5,
                     invalidate);
  EXPECT_EQ(invalidate, std::vector<NodeId>{f_});
}

}  // namespace
}  // namespace warmfs::fuse
