// What a USN journal tells becomes changes beneath the export; and whatever may
// have been missed is said.

#include "hostd/usn_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hostd/subtree_watcher.h"
#include "tests/fakes/scripted_usn_volume.h"
#include "tests/hostd/watch_fixture.h"

namespace warmfs::hostd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint32_t kBasicInfo = 0x8000;
constexpr uint32_t kSecurity = 0x800;
constexpr uint32_t kEa = 0x400;
// Objects of the volume.
constexpr uint64_t kRoot = 5, kDir = 20, kOutside = 30, kFile = 40, kOther = 41;

std::string_view NameOf(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kCreated:
      return "created";
    case ChangeKind::kRemoved:
      return "removed";
    case ChangeKind::kMovedFrom:
      return "from";
    case ChangeKind::kMovedTo:
      return "to";
    case ChangeKind::kModified:
      return "modified";
    case ChangeKind::kAttributes:
      return "attributes";
    case ChangeKind::kClosedWrite:
      return "closed";
    case ChangeKind::kHidden:
      return "hidden";
    case ChangeKind::kMarker:
      return "marker";
    case ChangeKind::kLost:
      return "lost";
    case ChangeKind::kEnded:
      return "ended";
  }
  return "";
}

// "created d/f"; "marker 3".
std::string Line(const Change& change) {
  std::string line(NameOf(change.kind));
  if (change.kind == ChangeKind::kMarker) {
    return line + " " + std::to_string(change.marker);
  }
  if (!change.name.empty()) {
    line += " " + (change.path.empty() ? "" : change.path + "/") + change.name;
  }
  return line;
}

class UsnSourceTest : public testing::Test {
 protected:
  UsnSourceTest() {
    disk_.Place(kRoot, "");
    disk_.Place(kDir, "d", FileId{1, 20});
    Start();
  }
  void Start(const std::string& cursor = "") {
    auto source =
        UsnSource::Create(std::make_unique<ScriptedUsnVolume>(disk_), cursor);
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
  }
  std::vector<std::string> Taken() {
    std::vector<Change> changes;
    source_->Take(&changes);
    std::vector<std::string> lines;
    for (const Change& change : changes) lines.push_back(Line(change));
    return lines;
  }
  // Of a file "f" in "d", each time with what the earlier ones had.
  void WriteEach(std::initializer_list<uint32_t> reasons) {
    uint32_t all = 0;
    for (uint32_t reason : reasons) {
      all |= reason;
      disk_.Write(kFile, kDir, u"f", all);
    }
  }

  ScriptedUsnVolume::Disk disk_;
  std::unique_ptr<UsnSource> source_;
};

// --- reasons ---

TEST_F(UsnSourceTest, AFileThatIsMadeWrittenAndClosed) {
  WriteEach({kUsnFileCreate, kUsnDataExtend, kUsnClose});
  EXPECT_THAT(Taken(),
              ElementsAre("created d/f", "modified d/f", "closed d/f"));
  EXPECT_THAT(Taken(), IsEmpty());
}

TEST_F(UsnSourceTest, EachKindOfWriteIsAModification) {
  for (uint32_t reason :
       {kUsnDataOverwrite, kUsnDataExtend, kUsnDataTruncation}) {
    WriteEach({reason, kUsnClose});
    EXPECT_THAT(Taken(), ElementsAre("modified d/f", "closed d/f")) << reason;
  }
  WriteEach({kUsnDataExtend, kUsnDataOverwrite});
  EXPECT_THAT(Taken(), ElementsAre("modified d/f", "modified d/f"));
}

TEST_F(UsnSourceTest, AttributesAreToldWithoutAClose) {
  for (uint32_t reason : {kBasicInfo, kSecurity, kEa}) {
    WriteEach({reason, kUsnClose});
    EXPECT_THAT(Taken(), ElementsAre("attributes d/f")) << reason;
  }
}

TEST_F(UsnSourceTest, ADirectoryIsToldToBeOne) {
  disk_.Write(50, kRoot, u"new", kUsnFileCreate, kUsnDirectory);
  disk_.Write(50, kRoot, u"new", kUsnFileCreate | kUsnClose, kUsnDirectory);
  std::vector<Change> changes;
  source_->Take(&changes);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(Line(changes[0]), "created new");
  EXPECT_EQ(changes[0].directory, true);
}

TEST_F(UsnSourceTest, AMovesHalvesFollowEachOtherWhateverIsBetweenThem) {
  disk_.Write(kFile, kDir, u"f", kUsnRenameOldName);
  disk_.Write(kOther, kDir, u"o", kUsnDataExtend);
  disk_.Write(kFile, kRoot, u"g", kUsnRenameNewName);
  disk_.Write(kFile, kRoot, u"g", kUsnRenameNewName | kUsnClose);
  EXPECT_THAT(Taken(), ElementsAre("modified d/o", "from d/f", "to g"));
}

TEST_F(UsnSourceTest, TwoMovesOfOneHandleAreTwo) {
  disk_.Write(kFile, kDir, u"a", kUsnRenameOldName);
  disk_.Write(kFile, kDir, u"b", kUsnRenameNewName);
  disk_.Write(kFile, kDir, u"b", kUsnRenameOldName);
  disk_.Write(kFile, kDir, u"c", kUsnRenameNewName);
  EXPECT_THAT(Taken(), ElementsAre("from d/a", "to d/b", "from d/b", "to d/c"));
}

TEST_F(UsnSourceTest, AMoveFromOrToOutsideIsAHalf) {
  disk_.Write(kFile, kOutside, u"f", kUsnRenameOldName);
  disk_.Write(kFile, kDir, u"f", kUsnRenameNewName);
  EXPECT_THAT(Taken(), ElementsAre("to d/f"));
  disk_.Write(kFile, kDir, u"f", kUsnRenameOldName);
  disk_.Write(kFile, kOutside, u"f", kUsnRenameNewName);
  EXPECT_THAT(Taken(), ElementsAre("from d/f"));
}

TEST_F(UsnSourceTest, ALinkThatComesOrGoesIsAName) {
  disk_.Place(kFile, "d/link");
  disk_.Write(kFile, kDir, u"link", kUsnHardLinkChange);
  disk_.Write(kFile, kDir, u"link", kUsnHardLinkChange | kUsnClose);
  EXPECT_THAT(Taken(), ElementsAre("created d/link"));
  disk_.Remove(kFile);
  disk_.Write(kFile, kDir, u"link", kUsnHardLinkChange);
  EXPECT_THAT(Taken(), ElementsAre("removed d/link"));
}

TEST_F(UsnSourceTest, ADeletionIsTheLast) {
  WriteEach({kUsnDataTruncation, kUsnFileDelete | kUsnClose});
  EXPECT_THAT(Taken(), ElementsAre("modified d/f", "removed d/f"));
}

TEST_F(UsnSourceTest, WhatIsOutsideIsLeftOut) {
  disk_.Write(kFile, kOutside, u"f", kUsnFileCreate);
  disk_.Write(kFile, kOutside, u"f", kUsnFileCreate | kUsnFileDelete);
  EXPECT_THAT(Taken(), IsEmpty());
}

TEST_F(UsnSourceTest, HostdsOwnFolderIsHidden) {
  disk_.Place(60, ".warmfs-host");
  disk_.Write(kOther, 60, u"x", kUsnFileCreate | kUsnDataExtend | kUsnClose);
  disk_.Write(kFile, kDir, u"f", kUsnRenameOldName);
  disk_.Write(kFile, 60, u"aside", kUsnRenameNewName);
  EXPECT_THAT(Taken(), ElementsAre("from d/f", "hidden .warmfs-host/aside"));
}

TEST_F(UsnSourceTest, BothVersionsOfRecordsTellTheSame) {
  {
    absl::MutexLock lock(&disk_.mu);
    disk_.version = 2;
  }
  disk_.Write(kFile, kDir, u"a\uF03Ab", kUsnFileCreate);
  std::vector<Change> changes;
  source_->Take(&changes);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(Line(changes[0]), "created d/a:b");
  EXPECT_EQ(changes[0].dir, (FileId{1, 20}));
}

// --- without names, as an ordinary user has it ---

class UsnWithoutNamesTest : public UsnSourceTest {
 protected:
  UsnWithoutNamesTest() {
    absl::MutexLock lock(&disk_.mu);
    disk_.names = false;
  }
};

TEST_F(UsnWithoutNamesTest, ThePlaceIsWhereTheObjectIsNow) {
  disk_.Place(kFile, "d/now");
  WriteEach({kUsnFileCreate, kUsnDataExtend, kUsnClose});
  EXPECT_THAT(Taken(),
              ElementsAre("created d/now", "modified d/now", "closed d/now"));
}

TEST_F(UsnWithoutNamesTest, AGoneNameOfTheTreeIsLostAndAnotherIsNot) {
  disk_.Write(kOther, kOutside, u"", kUsnFileDelete | kUsnClose);
  EXPECT_THAT(Taken(), IsEmpty());
  WriteEach({kUsnFileDelete | kUsnClose});
  WriteEach({kUsnRenameOldName});
  EXPECT_THAT(Taken(), ElementsAre("lost"));
}

// --- markers ---

TEST_F(UsnSourceTest, AMarkerComesBehindAllThatWasDoneBefore) {
  WriteEach({kUsnFileCreate, kUsnDataExtend, kUsnClose});
  WriteEach({kUsnFileCreate});
  EXPECT_EQ(source_->PlaceMarker(1), 0);
  disk_.Write(kOther, kDir, u"later", kUsnFileCreate);
  EXPECT_EQ(source_->PlaceMarker(2), 0);
  EXPECT_THAT(Taken(), ElementsAre("created d/f", "modified d/f", "closed d/f",
                                   "created d/f", "created d/later", "marker 1",
                                   "marker 2"));
  EXPECT_EQ(source_->PlaceMarker(3), 0);
  EXPECT_THAT(Taken(), ElementsAre("marker 3"));
}

TEST_F(UsnSourceTest, MarkersComeEvenIfTheJournalIsReplaced) {
  EXPECT_EQ(source_->PlaceMarker(1), 0);
  disk_.Replace();
  EXPECT_THAT(Taken(), ElementsAre("lost", "marker 1"));
  disk_.Fail(ScriptedUsnVolume::kDeleteInProgress);
  EXPECT_NE(source_->PlaceMarker(2), 0);
}

// --- cursors, which outlive hostd ---

TEST_F(UsnSourceTest, ACursorGoesOnExactlyWhereItWas) {
  WriteEach({kUsnFileCreate | kUsnClose});
  EXPECT_THAT(Taken(), ElementsAre("created d/f", "closed d/f"));
  const std::string cursor = source_->cursor();
  disk_.Write(kOther, kDir, u"while away", kUsnFileCreate | kUsnClose);
  Start(cursor);
  EXPECT_THAT(Taken(),
              ElementsAre("created d/while away", "closed d/while away"));
  Start(source_->cursor());
  EXPECT_THAT(Taken(), IsEmpty());
}

TEST_F(UsnSourceTest, ACursorBetweenTheHalvesOfAMoveIsBeforeThem) {
  disk_.Write(kFile, kDir, u"f", kUsnRenameOldName);
  disk_.Write(kOther, kDir, u"o", kUsnDataExtend);
  EXPECT_THAT(Taken(), ElementsAre("modified d/o"));
  const std::string cursor = source_->cursor();
  disk_.Write(kFile, kRoot, u"g", kUsnRenameNewName);
  Start(cursor);
  EXPECT_THAT(Taken(), ElementsAre("modified d/o", "from d/f", "to g"));
}

TEST_F(UsnSourceTest, UntilALossIsToldThereIsNoCursor) {
  Start("78 4096");
  EXPECT_EQ(source_->cursor(), "");
  EXPECT_THAT(Taken(), ElementsAre("lost"));
  EXPECT_NE(source_->cursor(), "");
}

TEST_F(UsnSourceTest, ACursorThatIsNotThereAnyMoreIsALoss) {
  const std::string cursor = source_->cursor();
  disk_.Write(kOther, kDir, u"while away", kUsnFileCreate);
  disk_.Wrap();
  Start(cursor);
  EXPECT_THAT(Taken(), ElementsAre("lost"));
  const std::string other = source_->cursor();
  disk_.Replace();
  Start(other);
  EXPECT_THAT(Taken(), ElementsAre("lost"));
  for (const char* text :
       {"x", "77", "77 ", "77 x", "77 99999999999", "77 -5", "78 4096x", " "}) {
    Start(text);
    EXPECT_THAT(Taken(), ElementsAre("lost")) << text;
  }
  WriteEach({kUsnFileCreate});
  EXPECT_THAT(Taken(), ElementsAre("created d/f")) << "and goes on";
}

// --- what there is not ---

TEST_F(UsnSourceTest, WithoutAJournalItSaysWhy) {
  for (const auto& [error, says] :
       {std::pair(50, "has none"), {5, "may not read"}, {1179, "turned off"}}) {
    disk_.Fail(error);
    const auto source =
        UsnSource::Create(std::make_unique<ScriptedUsnVolume>(disk_));
    EXPECT_TRUE(absl::IsUnavailable(source.status()));
    EXPECT_THAT(std::string(source.status().message()), HasSubstr(says));
  }
}

// --- losses, all the way to a client ---

struct Loss {
  const char* name;
  void (*happen)(ScriptedUsnVolume::Disk&);
};

class UsnLossTest : public WatchTest, public testing::WithParamInterface<Loss> {
 protected:
  void SetUp() override {
    MakeDir("d");
    disk_.Place(kRoot, "", AttrOf(root_).id);
    disk_.Place(kDir, "d", AttrOf(Host("d")).id);
    ExportOptions exported{.name = "test", .directory = root_};
    auto source = UsnSource::Create(std::make_unique<ScriptedUsnVolume>(disk_));
    ASSERT_TRUE(source.ok()) << source.status();
    exported.watch = [&](const Tree& tree) {
      return std::make_unique<SubtreeWatcher>(tree, *std::move(source),
                                              WatcherOptions());
    };
    export_ = *Export::Open(std::move(exported));
    seen_ = export_->head();
    paths_.clear();
  }
  void TearDown() override { export_.reset(); }  // it reads the disk

  ScriptedUsnVolume::Disk disk_;
};

TEST_P(UsnLossTest, IsANewEpochAndTheRightContentAfterIt) {
  Lease("d");
  WriteHost("d/f", "told");
  disk_.Write(kFile, kDir, u"f", kUsnFileCreate);
  EXPECT_THAT(Lines(), ElementsAre("created d/f"));
  WriteHost("d/g", "not told");
  GetParam().happen(disk_);
  EXPECT_EQ(export_->Fence().error, 0);
  const NextReply reply = Next(seen_);
  EXPECT_TRUE(reply.new_epoch);
  EXPECT_EQ(reply.watches, 0u);
  seen_ = reply.pos;
  Lease("d");
  EXPECT_EQ(List("d").entries.size(), 2u) << "what was missed is there";
  WriteHost("d/h", "told again");
  disk_.Write(kOther, kDir, u"h", kUsnFileCreate);
  EXPECT_THAT(Lines(), ElementsAre("created d/h"));
}

INSTANTIATE_TEST_SUITE_P(
    All, UsnLossTest,
    testing::Values(
        Loss{"Wrap", [](auto& disk) { disk.Wrap(); }},
        Loss{"ReplacedJournal", [](auto& disk) { disk.Replace(); }},
        Loss{"TruncatedBuffer",
             [](auto& disk) {
               const UsnRecord record{Ref(kFile),     Ref(kDir), 1 << 30,
                                      kUsnDataExtend, 0,         u"g"};
               disk.Damage(UsnBatchBytes(
                   1 << 31, UsnRecordBytes(record, 3).substr(0, 40)));
             }},
        Loss{"CorruptBuffer",
             [](auto& disk) { disk.Damage(std::string(256, '\xff')); }},
        Loss{"GoingBack",
             [](auto& disk) { disk.Damage(UsnBatchBytes(0, "")); }}),
    [](const auto& info) { return info.param.name; });

TEST_F(UsnSourceTest, AJournalThatIsBeingDeletedIsTheEnd) {
  disk_.Fail(ScriptedUsnVolume::kDeleteInProgress);
  EXPECT_THAT(Taken(), ElementsAre("ended"));
  EXPECT_THAT(Taken(), IsEmpty());
}

}  // namespace
}  // namespace warmfs::hostd
