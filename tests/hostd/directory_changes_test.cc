// The contract of a subtree source, and what ReadDirectoryChangesW tells of
// what a Windows program does. Runs as one, on Windows or in Wine. What NTFS
// and Wine tell in different words is accepted in both.

#include "hostd/win32/directory_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "hostd/resolve.h"
#include "tests/hostd/scratch_directory.h"

namespace warmfs::hostd {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::StartsWith;

class DirectoryChangesTest : public testing::Test {
 protected:
  DirectoryChangesTest() {
    fs::create_directories(base_ / "root" / "d");
    fs::create_directories(base_ / "outside");
    root_ = *OpenExportRoot((base_ / "root").string());
    source_ = *WatchDirectoryChanges(root_.get());
    Look("d");
    Lines();
  }

  fs::path In(const std::string& path) const { return base_ / "root" / path; }
  void Write(const std::string& path, const std::string& text) const {
    std::ofstream(In(path)) << text;
  }
  // As a lease does: a file system may hear nothing of a directory before.
  void Look(const std::string& path) const {
    UniqueFd fd;
    EXPECT_EQ(OpenChild(root_.get(), path, &fd), 0);
  }

  // Everything up to a marker that is placed now, and another if it is lost.
  std::vector<Change> Take() {
    std::vector<Change> all;
    size_t seen = 0;
    for (bool place = true; place;) {
      EXPECT_EQ(source_->PlaceMarker(++last_marker_), 0);
      place = false;
      while (!place) {
        for (; seen < all.size(); ++seen) {
          place = place || all[seen].kind == ChangeKind::kLost;
          if (all[seen].marker != last_marker_) continue;
          all.pop_back();
          return all;
        }
        if (place) break;
        source_->Wait(absl::InfiniteDuration());
        source_->Take(&all);
      }
    }
    return all;
  }
  // "word path" of each; what is alike and adjacent is one.
  std::vector<std::string> Lines() {
    static constexpr const char* kWords[] = {
        "created",    "removed", "from",   "to",   "modified",
        "attributes", "closed",  "hidden", "mark", "lost"};
    std::vector<std::string> lines;
    for (const Change& change : Take()) {
      std::string line = kWords[static_cast<size_t>(change.kind)];
      line +=
          ' ' + change.path + (change.path.empty() ? "" : "/") + change.name;
      if (lines.empty() || lines.back() != line) lines.push_back(line);
    }
    return lines;
  }
  // Without directories that were modified by what happened in them.
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (std::string& line : Lines()) {
      if (!line.starts_with("modified")) names.push_back(std::move(line));
    }
    return names;
  }

  const ScratchDirectory scratch_;
  const fs::path& base_ = scratch_.path();
  UniqueFd root_;
  std::unique_ptr<SubtreeSource> source_;
  uint64_t last_marker_ = 0;
};

TEST_F(DirectoryChangesTest, AFileIsMadeWrittenAndRemoved) {
  Write("f", "hello");
  std::vector<std::string> lines = Lines();
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.front(), "created f");
  EXPECT_EQ(lines.back(), "modified f");
  Write("f", "more");
  EXPECT_THAT(Lines(), ElementsAre("modified f"));
  fs::remove(In("f"));
  EXPECT_THAT(Names(), ElementsAre("removed f"));
}

TEST_F(DirectoryChangesTest, DirectoriesComeAndGoAndWhatIsInThemIsTold) {
  fs::create_directory(In("e"));
  EXPECT_THAT(Names(), ElementsAre("created e"));
  Look("e");
  Write("e/f", "x");
  Write("d/f", "x");
  EXPECT_THAT(Names(), ElementsAre("created e/f", "created d/f"));
  fs::remove(In("e/f"));
  fs::remove(In("e"));
  EXPECT_THAT(Names(), ElementsAre("removed e/f", "removed e"));
}

TEST_F(DirectoryChangesTest, BothHalvesOfAMoveFollowEachOther) {
  Write("f", "x");
  Lines();
  fs::rename(In("f"), In("g"));
  EXPECT_THAT(Names(), ElementsAre("from f", "to g"));
  fs::rename(In("g"), In("d/h"));
  std::vector<Change> changes = Take();
  std::erase_if(changes, [](const Change& change) {
    return change.kind == ChangeKind::kModified;
  });
  ASSERT_EQ(changes.size(), 2u);
  const bool halves = changes[0].kind == ChangeKind::kMovedFrom &&
                      changes[1].kind == ChangeKind::kMovedTo;
  const bool by_id = changes[0].kind == ChangeKind::kRemoved &&
                     changes[1].kind == ChangeKind::kCreated &&
                     changes[0].id == changes[1].id;
  EXPECT_TRUE(halves || by_id);
  EXPECT_EQ(changes[0].name, "g");
  EXPECT_EQ(changes[1].path, "d");
  EXPECT_EQ(changes[1].name, "h");
}

TEST_F(DirectoryChangesTest, AFileIsSavedByARename) {
  Write("f", "old");
  Lines();
  Write("f.tmp", "new");
  fs::rename(In("f.tmp"), In("f"));
  EXPECT_THAT(Names(), AnyOf(ElementsAre("created f.tmp", "from f.tmp", "to f"),
                             ElementsAre("created f.tmp", "removed f",
                                         "from f.tmp", "to f")));
}

TEST_F(DirectoryChangesTest, WhatMovesInOrOutIsMadeOrRemoved) {
  std::ofstream(base_ / "outside" / "f") << "x";
  fs::rename(base_ / "outside" / "f", In("f"));
  EXPECT_THAT(Names(), ElementsAre(AnyOf("created f", "to f")));
  fs::rename(In("f"), base_ / "outside" / "f");
  EXPECT_THAT(Names(), ElementsAre(AnyOf("removed f", "from f")));
}

// By the new path; or everything begins anew.
TEST_F(DirectoryChangesTest, WhatIsBeneathARenamedDirectoryIsNotLost) {
  fs::rename(In("d"), In("e"));
  std::vector<std::string> lines = Names();
  EXPECT_THAT(lines, IsSupersetOf({"from d", "to e"}));
  const bool anew = lines.back().starts_with("lost");
  Look("e");
  Write("e/f", "x");
  lines = Names();
  EXPECT_THAT(lines, Contains("created e/f"));
  EXPECT_EQ(lines.back(), "created e/f") << anew;
}

// A file: directories in directories may stay in Wine's memory for good.
TEST_F(DirectoryChangesTest, NamesAreTheClients) {
  std::ofstream(In("d") /
                L"a\xF03A"
                L"b");  // a:b
  EXPECT_THAT(Names(), ElementsAre("created d/a:b"));
}

TEST_F(DirectoryChangesTest, HostdsOwnFolderIsNotTold) {
  Write(".warmfs-host/x", "x");
  fs::rename(In(".warmfs-host/x"), In(".warmfs-host/y"));
  EXPECT_THAT(Names(), testing::Each(StartsWith("hidden")));
  Write("f", "");
  Names();
  fs::rename(In("f"), In(".warmfs-host/f"));
  EXPECT_THAT(Names(), AnyOf(ElementsAre("from f", "hidden "),
                             ElementsAre("removed f")));
  fs::remove_all(In(".warmfs-host"));
  EXPECT_THAT(Names(), IsEmpty()) << "it is made anew for the marker";
}

TEST_F(DirectoryChangesTest, AMarkerIsBehindAllThatWasDoneBefore) {
  for (int i = 0; i < 200; ++i) {
    const std::string name = "f" + std::to_string(i);
    Write(name, "");
    EXPECT_THAT(Lines(), Contains("created " + name));
  }
}

// More than one buffer holds: told whole, or said to be lost.
TEST_F(DirectoryChangesTest, NothingIsLostWithoutAWord) {
  constexpr int kFiles = 2000;
  const std::string stem(100, 'n');
  for (int i = 0; i < kFiles; ++i) Write(stem + std::to_string(i), "");
  int created = 0;
  bool lost = false;
  for (const Change& change : Take()) {
    created += change.kind == ChangeKind::kCreated;
    lost = lost || change.kind == ChangeKind::kLost;
  }
  EXPECT_TRUE(lost || created == kFiles) << created;
}

TEST_F(DirectoryChangesTest, TwoSourcesOfOneTreeHaveTheirOwnMarkers) {
  const auto other = *WatchDirectoryChanges(root_.get());
  Write("f", "");
  ASSERT_EQ(other->PlaceMarker(1), 0);
  EXPECT_THAT(Names(), Contains("created f"));
}

TEST_F(DirectoryChangesTest, WaitEndsByWakeAndByTime) {
  source_->Wait(absl::ZeroDuration());
  std::thread waker([&] { source_->Wake(); });
  source_->Wait(absl::InfiniteDuration());
  waker.join();
}

}  // namespace
}  // namespace warmfs::hostd
