// What the injector raises, on a real mount: for each kind of change just the
// events that the kernel itself would have raised, and the truth afterwards.

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "schema/unique_fd.h"
#include "tests/integration/injection_fixture.h"

namespace warmfs::testing {
namespace {

using fuse::Injection;
using fuse::InjectionKind;

class InjectorTest : public InjectionTest {
 protected:
  void SetUp() override {
    InjectionTest::SetUp();
    if (!IsSkipped()) Mount();
  }
};

TEST_F(InjectorTest, ACreatedFileIsCreate) {
  host_.Write("d/new", "bytes");
  Learn({"d"}, {"new"});
  Push({.kind = InjectionKind::kCreate,
        .dir = d_,
        .name = "new",
        .object = Ask("d/new")});
  EXPECT_EQ(Events(), "d: CREATE new\n");
  ExpectTruth("d/new");
  EXPECT_TRUE(Names("d").contains("new"));
}

TEST_F(InjectorTest, ACreatedFileThatWasSeenAlreadyIsCreateAllTheSame) {
  host_.Write("d/new", "bytes");
  Learn({"d"}, {"new"});
  ExpectTruth("d/new");
  UniqueFd open_file(open(Mnt("d/new").c_str(), O_RDONLY | O_CLOEXEC));
  watcher_->Take();
  Push({.kind = InjectionKind::kCreate,
        .dir = d_,
        .name = "new",
        .object = Ask("d/new")});
  EXPECT_EQ(Events(), "d: CREATE new\n");
  ExpectTruth("d/new");
  char byte;
  EXPECT_EQ(read(open_file.get(), &byte, 1), 1);
}

TEST_F(InjectorTest, EveryTypeIsCreated) {
  std::filesystem::create_symlink("f", Host("d/link"));
  ASSERT_EQ(mkfifo(Host("d/fifo").c_str(), 0600), 0);
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  snprintf(address.sun_path, sizeof(address.sun_path), "%s",
           Host("d/sock").c_str());
  UniqueFd sock(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(
      bind(sock.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
  host_.MakeDir("d/sub");
  Learn({"d"}, {"link", "fifo", "sock", "sub"});
  for (const char* name : {"link", "fifo", "sock", "sub"}) {
    Push({.kind = InjectionKind::kCreate,
          .dir = d_,
          .name = name,
          .object = Ask(std::string("d/") + name),
          .target = "f"});
  }
  EXPECT_EQ(Events(),
            "d: CREATE link\nd: CREATE fifo\nd: CREATE sock\n"
            "d: CREATE,ISDIR sub\n");
  for (const char* name : {"link", "fifo", "sock", "sub"}) {
    ExpectTruth(std::string("d/") + name);
  }
  EXPECT_EQ(std::filesystem::read_symlink(Mnt("d/link")), "f");
}

TEST_F(InjectorTest, WhoIsInADirectoryThatIsCreatedStaysInIt) {
  host_.MakeDir("d/sub");
  host_.Write("d/sub/x", "x");
  Learn({"d"}, {"sub"});
  UniqueFd inside(open(Mnt("d/sub").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSERT_GE(inside.get(), 0);
  Push({.kind = InjectionKind::kCreate,
        .dir = d_,
        .name = "sub",
        .object = Ask("d/sub")});
  EXPECT_EQ(Events(), "d: CREATE,ISDIR sub\n");
  EXPECT_EQ(std::filesystem::read_symlink("/proc/self/fd/" +
                                          std::to_string(inside.get())),
            Mnt("d/sub"));
  struct stat st;
  EXPECT_EQ(fstatat(inside.get(), "x", &st, 0), 0) << strerror(errno);
  ExpectTruth("d/sub");
  ExpectTruth("d/sub/x");
}

TEST_F(InjectorTest, ALinkIsCreateAndAttribOfTheFile) {
  watcher_->WatchItself("d/f");
  std::filesystem::create_hard_link(Host("d/f"), Host("e/l"));
  Learn({"d", "e"}, {"l"});
  Push({.kind = InjectionKind::kLink,
        .dir = e_,
        .name = "l",
        .to_dir = d_,
        .to_name = "f",
        .object = Ask("d/f")});
  EXPECT_EQ(Events(), "=d/f: ATTRIB\ne: CREATE l\n");
  ExpectTruth("d/f");
  ExpectTruth("e/l");
}

TEST_F(InjectorTest, ADeletedFileIsDeleteAndItsOwnWatchEnds) {
  watcher_->WatchItself("d/f");
  const Attr f = Ask("d/f");
  host_.Remove("d/f");
  Learn({"d"}, {"f"});
  Push({.kind = InjectionKind::kDelete, .dir = d_, .name = "f", .object = f});
  EXPECT_EQ(Events(),
            "=d/f: ATTRIB\n=d/f: DELETE_SELF\n=d/f: IGNORED\nd: DELETE f\n");
  ExpectTruth("d/f");
  EXPECT_EQ(Names("d"), std::set<std::string>{"g"});
}

TEST_F(InjectorTest, ADeletedLinkOfTwoLeavesTheOther) {
  std::filesystem::create_hard_link(Host("d/f"), Host("e/l"));
  Learn({"d", "e"}, {"f", "l"});
  ExpectTruth("e/l");
  watcher_->WatchItself("e/l");
  watcher_->Take();
  const Attr f = Ask("d/f");
  host_.Remove("d/f");
  Learn({"d", "e"}, {"f"});
  Push({.kind = InjectionKind::kDelete, .dir = d_, .name = "f", .object = f});
  EXPECT_EQ(Events(), "=e/l: ATTRIB\nd: DELETE f\n");
  ExpectTruth("d/f");
  ExpectTruth("e/l");
}

TEST_F(InjectorTest, ATreeThatIsRemovedIsToldFromWithin) {
  host_.MakeDir("d/sub");
  host_.Write("d/sub/x", "x");
  Learn({"d"}, {"sub"});
  watcher_ = std::make_unique<Watcher>(Mnt());
  const fuse::NodeId sub = Node("d/sub");
  const Attr x = Ask("d/sub/x"), sub_attr = Ask("d/sub");
  std::filesystem::remove_all(Host("d/sub"));
  Learn({"d"}, {"sub"});
  Push({.kind = InjectionKind::kDelete, .dir = sub, .name = "x", .object = x});
  Push({.kind = InjectionKind::kDelete,
        .dir = d_,
        .name = "sub",
        .object = sub_attr});
  EXPECT_EQ(Events(),
            "d: DELETE,ISDIR sub\nd/sub: DELETE x\nd/sub: DELETE_SELF\n"
            "d/sub: IGNORED\n");
  ExpectTruth("d/sub");
  EXPECT_FALSE(Names("d").contains("sub"));
}

TEST_F(InjectorTest, ARenameHasOneCookieAndTellsTheFile) {
  watcher_->WatchItself("d/f");
  const Attr f = Ask("d/f");
  host_.Rename("d/f", "e/h");
  Learn({"d", "e"}, {"f", "h"});
  Push({.kind = InjectionKind::kRename,
        .dir = d_,
        .name = "f",
        .to_dir = e_,
        .to_name = "h",
        .object = f});
  EXPECT_EQ(Events(),
            "=d/f: MOVE_SELF\nd: MOVED_FROM #1 f\ne: MOVED_TO #1 h\n");
  ExpectTruth("d/f");
  ExpectTruth("e/h");
  Names("d");
  Names("e");
}

TEST_F(InjectorTest, ARenameOverAFileEndsTheOldOne) {
  watcher_->WatchItself("d/f");
  watcher_->WatchItself("d/g");
  const Attr f = Ask("d/f"), g = Ask("d/g");
  host_.Rename("d/f", "d/g");
  Learn({"d"}, {"f", "g"});
  Push({.kind = InjectionKind::kRename,
        .dir = d_,
        .name = "f",
        .to_dir = d_,
        .to_name = "g",
        .object = f,
        .replaced = g});
  EXPECT_EQ(Events(),
            "=d/f: MOVE_SELF\n=d/g: ATTRIB\n=d/g: DELETE_SELF\n=d/g: IGNORED\n"
            "d: MOVED_FROM #1 f\nd: MOVED_TO #1 g\n");
  ExpectTruth("d/f");
  ExpectTruth("d/g");
}

TEST_F(InjectorTest, AnExchangeIsTwoRenames) {
  watcher_->WatchItself("d/f");
  watcher_->WatchItself("d/g");
  const Attr f = Ask("d/f"), g = Ask("d/g");
  ASSERT_EQ(renameat2(AT_FDCWD, Host("d/f").c_str(), AT_FDCWD,
                      Host("d/g").c_str(), RENAME_EXCHANGE),
            0);
  Learn({"d"}, {"f", "g"});
  Push({.kind = InjectionKind::kRename,
        .dir = d_,
        .name = "f",
        .to_dir = d_,
        .to_name = "g",
        .object = f,
        .replaced = g});
  Push({.kind = InjectionKind::kRename,
        .dir = d_,
        .name = "g",
        .to_dir = d_,
        .to_name = "f",
        .object = g});
  EXPECT_EQ(Events(),
            "=d/f: MOVE_SELF\n=d/g: MOVE_SELF\n"
            "d: MOVED_FROM #1 f\nd: MOVED_TO #1 g\n"
            "d: MOVED_FROM #2 g\nd: MOVED_TO #2 f\n");
  ExpectTruth("d/f");
  ExpectTruth("d/g");
}

TEST_F(InjectorTest, AFullDirectoryIsMovedWithThoseInIt) {
  UniqueFd inside(open(Mnt("d").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Attr d = Ask("d");
  host_.Rename("d", "e/moved");
  Learn({"", "e"}, {"d", "moved"});
  Push({.kind = InjectionKind::kRename,
        .dir = fuse::kRootNode,
        .name = "d",
        .to_dir = e_,
        .to_name = "moved",
        .object = d});
  EXPECT_EQ(Events(),
            ".: MOVED_FROM,ISDIR #1 d\nd: MOVE_SELF\n"
            "e: MOVED_TO,ISDIR #1 moved\n");
  ExpectTruth("e/moved");
  ExpectTruth("e/moved/f");
  ExpectTruth("d");
  EXPECT_EQ(std::filesystem::read_symlink("/proc/self/fd/" +
                                          std::to_string(inside.get())),
            Mnt("e/moved"));
}

TEST_F(InjectorTest, ADirectoryThatWasSeenAtItsNewPlaceIsMovedAllTheSame) {
  UniqueFd inside(open(Mnt("d").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Attr d = Ask("d");
  host_.Rename("d", "e/moved");
  Learn({"", "e"}, {"d", "moved"});
  ExpectTruth("e/moved/f");
  watcher_->Take();
  Push({.kind = InjectionKind::kRename,
        .dir = fuse::kRootNode,
        .name = "d",
        .to_dir = e_,
        .to_name = "moved",
        .object = d});
  EXPECT_EQ(Events(),
            ".: MOVED_FROM,ISDIR #1 d\nd: MOVE_SELF\n"
            "e: MOVED_TO,ISDIR #1 moved\n");
  ExpectTruth("e/moved/f");
  ExpectTruth("d");
  EXPECT_EQ(std::filesystem::read_symlink("/proc/self/fd/" +
                                          std::to_string(inside.get())),
            Mnt("e/moved"));
}

TEST_F(InjectorTest, ADirectoryIsMovedOutWithEventsFromWithin) {
  const Attr d = Ask("d"), f = Ask("d/f"), g = Ask("d/g");
  host_.Remove("d/f");
  host_.Rename("d", "../outside");
  Learn({""}, {"d"});
  Push({.kind = InjectionKind::kDelete, .dir = d_, .name = "f", .object = f});
  Push({.kind = InjectionKind::kMoveOut,
        .dir = fuse::kRootNode,
        .name = "d",
        .object = d});
  Push({.kind = InjectionKind::kModify, .dir = d_, .name = "g", .object = g});
  EXPECT_EQ(Events(),
            ".: MOVED_FROM,ISDIR #1 d\n"
            "d: DELETE f\nd: MOVE_SELF\nd: MODIFY g\n");
  ExpectTruth("d");
  host_.Rename("../outside", "e/back");
  Learn({"e"}, {"back"});
  Push(
      {.kind = InjectionKind::kMoveIn, .dir = e_, .name = "back", .object = d});
  EXPECT_EQ(Events(), "d: MOVE_SELF\ne: MOVED_TO,ISDIR #1 back\n");
  ExpectTruth("e/back");
  Names("e/back");
}

TEST_F(InjectorTest, WhatMovesOutIsMovedFromAlone) {
  watcher_->WatchItself("d/f");
  const Attr f = Ask("d/f");
  host_.Rename("d/f", "../outside");
  Learn({"d"}, {"f"});
  Push({.kind = InjectionKind::kMoveOut, .dir = d_, .name = "f", .object = f});
  EXPECT_EQ(Events(), "=d/f: MOVE_SELF\nd: MOVED_FROM #1 f\n");
  ExpectTruth("d/f");
  host_.Rename("../outside", "e/back");
  Learn({"e"}, {"back"});
  Push({.kind = InjectionKind::kMoveIn,
        .dir = e_,
        .name = "back",
        .object = Ask("e/back")});
  EXPECT_EQ(Events(), "=d/f: MOVE_SELF\ne: MOVED_TO #1 back\n");
  ExpectTruth("e/back");
  Names("d");
  Names("e");
}

TEST_F(InjectorTest, NobodyElseFindsTheHiddenDirectory) {
  const Attr f = Ask("d/f");
  host_.Rename("d/f", "../outside");
  Learn({"d"}, {"f"});
  Push({.kind = InjectionKind::kMoveOut, .dir = d_, .name = "f", .object = f});
  Events();
  struct stat st;
  const std::string hidden = Mnt(std::string(fuse::HiddenName()));
  EXPECT_EQ(stat(hidden.c_str(), &st), -1);
  EXPECT_EQ(errno, ENAMETOOLONG);
  EXPECT_EQ(Names(""), (std::set<std::string>{"d", "e"}));
}

TEST_F(InjectorTest, ChangesOfAFileAreModifyAttribAndCloseWrite) {
  ExpectTruth("d/f");
  watcher_->WatchItself("d/f");
  watcher_->Take();
  host_.Write("d/f", "CONTENT");
  Learn({"d"}, {});
  const Attr f = Ask("d/f");
  Push({.kind = InjectionKind::kModify, .dir = d_, .name = "f", .object = f});
  Push({.kind = InjectionKind::kCloseWrite,
        .dir = d_,
        .name = "f",
        .object = f});
  Push({.kind = InjectionKind::kAttributes,
        .dir = d_,
        .name = "f",
        .object = f});
  EXPECT_EQ(Events(),
            "=d/f: MODIFY\n=d/f: CLOSE_WRITE\n=d/f: ATTRIB\n"
            "d: MODIFY f\nd: CLOSE_WRITE f\nd: ATTRIB f\n");
  ExpectTruth("d/f");
}

TEST_F(InjectorTest, AttributesOfDirectoriesAndLinks) {
  std::filesystem::create_symlink("nowhere", Host("d/link"));
  Learn({"d"}, {"link"});
  watcher_->WatchItself("d/link");
  watcher_->Take();
  Push({.kind = InjectionKind::kAttributes,
        .dir = d_,
        .name = "link",
        .object = Ask("d/link")});
  Push({.kind = InjectionKind::kAttributes,
        .dir = d_,
        .name = "",
        .object = Ask("d")});
  Push({.kind = InjectionKind::kAttributes,
        .dir = fuse::kRootNode,
        .name = "e",
        .object = Ask("e")});
  EXPECT_EQ(Events(),
            ".: ATTRIB,ISDIR d\n.: ATTRIB,ISDIR e\n=d/link: ATTRIB\n"
            "d: ATTRIB link\nd: ATTRIB,ISDIR\ne: ATTRIB,ISDIR\n");
  Push({.kind = InjectionKind::kAttributes,
        .dir = fuse::kRootNode,
        .object = fs_->tree().Look(fuse::kRootNode)->attr});
  EXPECT_EQ(Events(), ".: ATTRIB,ISDIR\n");
}

TEST_F(InjectorTest, AFileThatIsGoneAlreadyHasItsWholeStory) {
  Attr gone;
  gone.id = {1, 2};
  gone.ino = 77;
  gone.mode = S_IFREG | 0600;
  gone.nlink = 1;
  for (const InjectionKind kind :
       {InjectionKind::kCreate, InjectionKind::kModify,
        InjectionKind::kCloseWrite, InjectionKind::kDelete}) {
    Push({.kind = kind, .dir = d_, .name = "tmp", .object = gone});
  }
  EXPECT_EQ(Events(),
            "d: CREATE tmp\nd: MODIFY tmp\nd: CLOSE_WRITE tmp\n"
            "d: DELETE tmp\n");
  ExpectTruth("d/tmp");
  EXPECT_EQ(Names("d"), (std::set<std::string>{"f", "g"}));
}

TEST_F(InjectorTest, AnotherFileThatTookTheNameIsLeftAlone) {
  watcher_->WatchItself("d/f");
  const Attr old = Ask("d/f");
  host_.Write("d/h", "a longer content");
  host_.Rename("d/h", "d/f");
  Learn({"d"}, {"f"});
  ExpectTruth("d/f");  // the kernel holds the new one for an hour
  watcher_->WatchItself("d/f");
  watcher_->Take();
  Push({.kind = InjectionKind::kDelete, .dir = d_, .name = "f", .object = old});
  Push({.kind = InjectionKind::kCreate,
        .dir = d_,
        .name = "f",
        .object = Ask("d/f")});
  EXPECT_EQ(Events(),
            "=d/f: ATTRIB\n=d/f: DELETE_SELF\n=d/f: IGNORED\n"
            "d: DELETE f\nd: CREATE f\n");
  ExpectTruth("d/f");
}

TEST_F(InjectorTest, NothingIsRaisedForADirectoryThatTheKernelDoesNotKnow) {
  Push({.kind = InjectionKind::kDelete,
        .dir = 4711,
        .name = "f",
        .object = Ask("d/f")});
  EXPECT_EQ(Events(), "");
  EXPECT_EQ(injector_->counters().unseen, 1u);
}

TEST_F(InjectorTest, HalfOfAMoveIsRaisedIfOneDirectoryIsNotKnown) {
  const Attr f = Ask("d/f");
  host_.Rename("d/f", "e/f");
  Learn({"d", "e"}, {"f"});
  Push({.kind = InjectionKind::kRename,
        .dir = d_,
        .name = "f",
        .to_dir = 4711,
        .to_name = "f",
        .object = f});
  EXPECT_EQ(Events(), "d: MOVED_FROM #1 f\n");
  Push({.kind = InjectionKind::kRename,
        .dir = 4711,
        .name = "f",
        .to_dir = e_,
        .to_name = "f",
        .object = f});
  EXPECT_EQ(Events(), "e: MOVED_TO #1 f\n");
  ExpectTruth("e/f");
}

TEST_F(InjectorTest, TheHostIsAskedNothing) {
  const Attr f = Ask("d/f");
  const uint64_t calls = remote_->stats().TotalCalls();
  for (int i = 0; i < 10; ++i) {
    Push({.kind = InjectionKind::kModify, .dir = d_, .name = "f", .object = f});
    Push({.kind = InjectionKind::kDelete, .dir = d_, .name = "f", .object = f});
    Push({.kind = InjectionKind::kCreate, .dir = d_, .name = "f", .object = f});
  }
  Events();
  EXPECT_EQ(remote_->stats().TotalCalls(), calls);
  ExpectTruth("d/f");
}

TEST_F(InjectorTest, TheMountCanBeUnmountedWhileTheInjectorHoldsAView) {
  Push({.kind = InjectionKind::kModify,
        .dir = d_,
        .name = "f",
        .object = Ask("d/f")});
  Events();
  Unmount();
}

}  // namespace
}  // namespace warmfs::testing
