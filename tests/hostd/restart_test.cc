// A journal that goes on when hostd is started anew: exactly what was changed
// meanwhile is told, and whatever cannot be told is a new epoch.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "hostd/subtree_watcher.h"
#include "hostd/usn_source.h"
#include "tests/fakes/paper_bookmark.h"
#include "tests/fakes/scripted_usn_volume.h"
#include "tests/hostd/watch_fixture.h"

namespace warmfs::hostd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Objects of the volume.
constexpr uint64_t kRoot = 5, kDir = 20, kOther = 21, kFile = 40;
constexpr uint32_t kMade = kUsnFileCreate | kUsnClose;

class RestartTest : public WatchTest {
 protected:
  void SetUp() override {
    for (const char* dir : {"d", "e"}) MakeDir(dir);
    disk_.Place(kRoot, "", AttrOf(root_).id);
    disk_.Place(kDir, "d", AttrOf(Host("d")).id);
    disk_.Place(kOther, "e", AttrOf(Host("e")).id);
    Start();
    seen_ = export_->head();
    for (const char* dir : {"d", "e"}) Lease(dir);
  }
  void TearDown() override { export_.reset(); }

  void Start() {
    export_.reset();
    ExportOptions exported{.name = "test", .directory = root_};
    exported.watch = [&](const Tree& tree) {
      return *GoOnWatching(
          tree, options_, std::make_unique<PaperBookmark>(paper_),
          [&](const std::string& cursor) {
            return UsnSource::Create(std::make_unique<ScriptedUsnVolume>(disk_),
                                     cursor);
          });
    };
    export_ = *Export::Open(std::move(exported));
  }
  // As if it had been killed when `text` was kept.
  void StartAt(const std::string& text) {
    export_.reset();
    EXPECT_TRUE(paper_.Put(text));
    Start();
  }

  void Make(uint64_t dir, const std::string& path) {
    WriteHost(path, "content");
    const std::string name = std::filesystem::path(path).filename();
    disk_.Write(next_file_++, dir, std::u16string(name.begin(), name.end()),
                kMade);
  }
  // Is it another epoch for a client that has come to `seen_`?
  bool NewEpoch() {
    EXPECT_EQ(export_->Fence().error, 0);
    return Next(seen_).new_epoch;
  }

  // Work elsewhere on the volume, of which nothing is told.
  void WorkElsewhere() {
    disk_.Write(900, 901, u"elsewhere", kMade);
    EXPECT_THAT(Lines(), IsEmpty());
  }

  ScriptedUsnVolume::Disk disk_;
  PaperBookmark::Paper paper_;
  WatcherOptions options_;
  uint64_t next_file_ = kFile;
};

TEST_F(RestartTest, LeasesFromBeforeGoOnAndWhatChangedEndsThem) {
  Make(kDir, "d/before");
  EXPECT_THAT(Lines(), ElementsAre("created d/before", "closed d/before"));
  Start();
  EXPECT_THAT(Lines(), IsEmpty()) << "nothing has happened meanwhile";
  Make(kDir, "d/after");
  EXPECT_THAT(Lines(), ElementsAre("revoked d/"));
  Make(kDir, "d/more");
  EXPECT_THAT(Lines(), IsEmpty()) << "once";
  Lease("d");
  Make(kDir, "d/again");
  EXPECT_THAT(Lines(), ElementsAre("created d/again", "closed d/again"));
  Make(kOther, "e/f");
  EXPECT_THAT(Lines(), ElementsAre("revoked e/")) << "was leased all the while";
}

TEST_F(RestartTest, WhatChangedWhileNobodyServedIsTold) {
  export_.reset();
  Make(kDir, "d/while away");
  Start();
  EXPECT_THAT(Lines(), ElementsAre("revoked d/"));
}

TEST_F(RestartTest, AfterAKillEventsSinceWhatWasKeptAreToldOnceMore) {
  const std::string kept = paper_.text();
  Make(kDir, "d/f");
  EXPECT_THAT(Lines(), ElementsAre("created d/f", "closed d/f"));
  Make(kOther, "e/f");
  StartAt(kept);
  EXPECT_THAT(Lines(), ElementsAre("revoked d/", "revoked e/"));
}

// The first goes on where nobody was told of anything, the second must not take
// positions of the one for those of the other.
TEST_F(RestartTest, ARestartAfterARestart) {
  for (int i = 0; i < 3; ++i) {
    export_.reset();
    Make(kDir, "d/f" + std::to_string(i));
    Start();
    EXPECT_THAT(Lines(), ElementsAre("revoked d/")) << i;
    Lease("d");
  }
}

TEST_F(RestartTest, AClientThatHadMissedWhatWasOnlyInMemoryBeginsAnew) {
  const JournalPos missed = seen_;
  Make(kDir, "d/f");
  EXPECT_THAT(Lines(), ElementsAre("created d/f", "closed d/f"));
  Start();
  EXPECT_FALSE(NewEpoch());
  seen_ = missed;
  EXPECT_TRUE(NewEpoch());
}

// The journal is the whole volume's: it wraps while nothing is told of this
// export.
TEST_F(RestartTest, AnExportWhereNothingHappensKeepsUpAtItsEnd) {
  WorkElsewhere();
  export_.reset();
  disk_.Trim();
  Start();
  EXPECT_FALSE(NewEpoch());
}

TEST_F(RestartTest, AnExportWhereNothingHappensKeepsUpNowAndThen) {
  options_.keep_anew = absl::Milliseconds(5);
  Start();
  seen_ = Next(seen_).pos;
  const std::string before = paper_.text();
  WorkElsewhere();
  while (paper_.text() == before) absl::SleepFor(absl::Milliseconds(1));
  const std::string kept = paper_.text();
  export_.reset();
  disk_.Trim();
  StartAt(kept);
  EXPECT_FALSE(NewEpoch());
}

TEST_F(RestartTest, ACursorThatIsGoneOrABookmarkThatIsDamagedIsANewEpoch) {
  export_.reset();
  disk_.Wrap();
  Start();
  EXPECT_TRUE(NewEpoch());
  const std::string kept = paper_.text();
  seen_ = export_->head();
  StartAt(kept.substr(0, kept.size() / 2));
  EXPECT_TRUE(NewEpoch());
}

// Otherwise the next hostd would go on from the same place with the same
// numbers.
TEST_F(RestartTest, WhereNothingCanBeKeptNobodyGoesOn) {
  export_.reset();
  paper_.Fill();
  Start();
  EXPECT_TRUE(NewEpoch());
}

// What happens in it out there is not told.
TEST_F(RestartTest, ADirectoryThatIsMovedOutIsANewEpoch) {
  Start();
  disk_.Write(kDir, kRoot, u"d", kUsnRenameOldName, kUsnDirectory);
  disk_.Write(kDir, 99, u"d", kUsnRenameNewName | kUsnClose, kUsnDirectory);
  EXPECT_TRUE(NewEpoch());
}

TEST_F(RestartTest, ADirectoryThatIsMovedWithinIsToldByItsDirectory) {
  Start();
  std::filesystem::rename(Host("d"), Host("moved"));
  disk_.Place(kDir, "moved", AttrOf(Host("moved")).id);
  disk_.Write(kDir, kRoot, u"d", kUsnRenameOldName, kUsnDirectory);
  disk_.Write(kDir, kRoot, u"moved", kUsnRenameNewName | kUsnClose,
              kUsnDirectory);
  paths_[export_->info().root] = "root";
  EXPECT_THAT(Lines(), ElementsAre("revoked root"));
  Make(kDir, "moved/f");
  EXPECT_THAT(Lines(), ElementsAre("revoked d/")) << "as it was leased";
}

// As Windows tells an ordinary user.
TEST_F(RestartTest, WithoutNamesItIsTheDirectoryWhereTheObjectIsNow) {
  {
    absl::MutexLock lock(&disk_.mu);
    disk_.names = false;
  }
  Start();
  disk_.Place(kFile, "d/f");
  Make(kDir, "d/f");
  EXPECT_THAT(Lines(), ElementsAre("revoked d/"));
}

}  // namespace
}  // namespace warmfs::hostd
