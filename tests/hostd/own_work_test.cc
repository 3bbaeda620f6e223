// Which events a client is told to be its own: exactly those of its requests,
// by-effects included, while others change the same tree.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/hostd/watch_fixture.h"

namespace warmfs::hostd {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class OwnWorkTest : public EachSourceTest {
 protected:
  // Everything since the last call is the client's, and was told.
  void ExpectOwn(const std::string& what) {
    const std::vector<Event> events = Events();
    EXPECT_FALSE(events.empty()) << what;
    for (const Event& event : events) {
      EXPECT_TRUE(event.own) << what << ": " << Describe(event);
    }
  }
  ClientState other_{budget_};
};

INSTANTIATE_TEST_SUITE_P(Sources, OwnWorkTest,
                         testing::Values(SourceKind::kInotify,
                                         SourceKind::kFanotify),
                         [](const auto& info) { return NameOf(info.param); });

TEST_P(OwnWorkTest, AllChangesOfNames) {
  MakeDir("d");
  Lease("");
  Lease("d");
  Create("", "f", S_IFREG | 0644);
  ExpectOwn("create");
  Create("", "made", S_IFDIR | 0755);
  ExpectOwn("mkdir");
  CreateRequest link{.dir = Ref(""), .name = "s", .mode = S_IFLNK | 0777};
  link.target = "t";
  export_->Create(client_, link);
  ExpectOwn("symlink");
  Create("", "p", S_IFIFO | 0644);
  ExpectOwn("fifo");
  LinkRequest hard{.node = Ref("f"), .dir = Ref("d"), .name = "g"};
  EXPECT_EQ(export_->Link(client_, hard).error, 0);
  ExpectOwn("link");
  hard.name = "h";
  EXPECT_EQ(export_->Link(client_, hard).error, 0);
  ExpectOwn("link of a file that is watched");
  RenameRequest rename{.from_dir = Ref("d"), .from_name = "g"};
  rename.to_dir = Ref("");
  rename.to_name = "moved";
  EXPECT_EQ(export_->Rename(client_, rename).error, 0);
  ExpectOwn("rename");
  rename.from_dir = Ref("");
  rename.from_name = "s";
  rename.flags = 2;
  EXPECT_EQ(export_->Rename(client_, rename).error, 0);
  ExpectOwn("exchange");
  rename.flags = 0;
  EXPECT_EQ(export_->Rename(client_, rename).error, 0);
  ExpectOwn("replace");
  Remove("d", "h");
  ExpectOwn("remove");
  RemoveRequest rmdir{.dir = Ref(""), .name = "made", .directory = true};
  EXPECT_EQ(export_->Remove(client_, rmdir).error, 0);
  ExpectOwn("rmdir");
}

TEST_P(OwnWorkTest, AllChangesOfFiles) {
  WriteHost("f", "hello");
  WriteHost("g", "");
  Lease("");
  Write(Ref("f"), 0, "x");
  ExpectOwn("write");
  WriteRequest append{.node = Ref("f"), .data = "y", .append = true};
  export_->Write(client_, append);
  ExpectOwn("append");
  EXPECT_EQ(export_->Allocate(client_, {.node = Ref("f"), .length = 100}).error,
            0);
  ExpectOwn("allocate");
  EXPECT_EQ(
      export_->Copy(client_, {.from = Ref("f"), .to = Ref("g"), .length = 5})
          .copied,
      5u);
  ExpectOwn("copy");
  SetAttrRequest set{.node = Ref("f"), .mode = 0600, .size = 3};
  set.mtime = TimeOrNow{.now = false, .time = {1, 2}};
  EXPECT_EQ(export_->SetAttr(client_, set).error, 0);
  ExpectOwn("setattr");
  set = {.node = Ref(""), .mode = 0700};
  EXPECT_EQ(export_->SetAttr(client_, set).error, 0);
  ExpectOwn("setattr of the root");
  SetXattrRequest xattr{.node = Ref("f"), .name = "user.a"};
  xattr.value = "v";
  EXPECT_EQ(export_->SetXattr(client_, xattr).error, 0);
  ExpectOwn("setxattr");
  xattr.value = std::nullopt;
  EXPECT_EQ(export_->SetXattr(client_, xattr).error, 0);
  ExpectOwn("removexattr");
}

// A lock opens its file for writing, and closes it.
TEST_P(OwnWorkTest, Locks) {
  WriteHost("f", "x");
  Lease("");
  LockRequest lock{.node = Ref("f"), .owner = 1};
  lock.type = LockType::kWrite;
  EXPECT_EQ(export_->Lock(client_, lock).error, 0);
  EXPECT_TRUE(Events().empty());
  lock.type = LockType::kUnlock;
  EXPECT_EQ(export_->Lock(client_, lock).error, 0);
  ExpectOwn("unlock");
}

// What an unprivileged hostd does beyond the call: overlays, writers kept.
TEST_P(OwnWorkTest, ByEffectsOfAnUnprivilegedHost) {
  if (kind_ != SourceKind::kInotify) GTEST_SKIP() << "it may have inotify only";
  ASSERT_EQ(chmod(root_.c_str(), 0777), 0);
  export_.reset();  // a fork has no threads
  RunUnprivileged([&] {
    Reopen({});
    Lease("");
    const CreateReply made = Create("", "f", S_IFREG | 0444);
    ASSERT_EQ(made.error, 0);
    ExpectOwn("create");
    Write({"f", made.entry.id}, 0, "x");
    ExpectOwn("write by the writer");
    SetAttrRequest set{.node = {"f", made.entry.id}, .uid = 0};
    EXPECT_EQ(export_->SetAttr(client_, set).error, 0);
    ExpectOwn("chown by overlay");
    export_->Release(client_, {.orphans = {made.entry.id}});
    ExpectOwn("release of the writer");
    export_.reset();
  });
}

// Beyond the bound the oldest writer goes: it is closed for the client as well.
TEST_P(OwnWorkTest, AWriterThatGoesForAnotherIsClosedByItsClient) {
  if (kind_ != SourceKind::kInotify) GTEST_SKIP() << "it may have inotify only";
  ASSERT_EQ(chmod(root_.c_str(), 0777), 0);
  export_.reset();  // a fork has no threads
  RunUnprivileged([&] {
    Reopen({});
    Lease("");
    for (size_t i = 0; i < ClientState::kMaxWriters + 2; ++i) {
      ASSERT_EQ(Create("", "f" + std::to_string(i), S_IFREG | 0444).error, 0);
    }
    const std::vector<Event> events = Events();
    std::vector<std::string> closed;
    for (const Event& event : events) {
      EXPECT_TRUE(event.own) << Describe(event);
      if (event.kind == EventKind::kClosedWrite) closed.push_back(event.name);
    }
    EXPECT_THAT(closed, ElementsAre("f0", "f1"));
    export_.reset();
  });
}

TEST_P(OwnWorkTest, TheSameEventIsAnothersToAnotherClient) {
  Lease("");
  const JournalPos start = seen_;
  Create("", "f", S_IFREG | 0644);
  ExpectOwn("create");
  seen_ = start;
  for (const Event& event : EventsOf(other_)) EXPECT_FALSE(event.own);
}

TEST_P(OwnWorkTest, LookingCausesNoEvents) {
  WriteHost("f", "hello");
  fs::create_hard_link(Host("f"), Host("g"));
  MakeDir("d");
  MakeLink("f", "s");
  Lease("");
  Read(Ref("f"));
  List("");
  List("d", false);
  export_->GetAttr(client_, Ref("f"));
  export_->ReadLink(client_, Ref("s"));
  export_->GetXattr(client_, {.node = Ref("f"), .name = "user.a"});
  export_->Seek(client_, {.node = Ref("f"), .offset = 0, .hole = true});
  export_->StatFs(client_, Ref(""));
  export_->Sync(client_, {.node = Ref("f")});
  EXPECT_TRUE(Events().empty());
}

TEST_P(OwnWorkTest, AFailedChangeClaimsNothing) {
  WriteHost("f", "x");
  Lease("");
  EXPECT_EQ(Remove("", "missing").error, ENOENT);
  EXPECT_EQ(Create("", "f", S_IFREG | 0644).error, EEXIST);
  fs::remove(Host("f"));
  WriteHost("missing", "");
  EXPECT_THAT(Lines(),
              ElementsAre("deleted f", "created missing", "closed missing"));
}

// The pause would be an hour: only what ends it lets the test go on.
TEST_P(OwnWorkTest, WhoWaitsForEventsEndsThePauseAfterOwnWork) {
  Reopen({.own_pause = absl::Hours(1)});
  MakeDir("d");
  Lease("");
  Lease("d");
  for (int i = 0; i < 3; ++i) {
    const std::string name = std::to_string(i);
    Create("", name, S_IFREG | 0644);
    ExpectOwn("fenced");
    WriteHost("d/" + name, "");
    EXPECT_THAT(Lines(), testing::Contains("created d/" + name));
  }
  Create("", "last", S_IFREG | 0644);
  ExpectOwn("before all leases end");
  export_->Sweep(absl::Now());
  export_->Sweep(absl::Now() + absl::Hours(1));
  EXPECT_TRUE(Next(seen_, /*wait_ms=*/25'000).new_epoch);
  seen_ = export_->head();
  Lease("");
  Create("", "ending", S_IFREG | 0644);
  ExpectOwn("before the end");
}

// Without the pause each of these changes would wake the journal's readers, and
// their events would be there at once.
TEST_P(OwnWorkTest, AfterOwnWorkEventsAreTakenTogether) {
  Reopen({.own_pause = absl::Hours(1)});
  Lease("");
  Create("", "first", S_IFREG | 0644);
  ExpectOwn("the first is taken at once");
  const JournalPos pos = export_->head();
  for (int i = 0; i < 100; ++i) {
    Create("", std::to_string(i), S_IFREG | 0644);
  }
  EXPECT_EQ(export_->head(), pos);
  EXPECT_GE(Events().size(), 100u);
}

// Two clients and a program of the host, at once, each on names of its own and
// all on one directory: everybody's events are told right, to both clients.
TEST_P(OwnWorkTest, TwoClientsAndTheHostAtOnce) {
  constexpr int kRounds = 300;
  MakeDir("d");
  Lease("");
  Lease("d");
  const NodeRef dir = Ref("d");
  const auto work = [&](ClientState& client, const std::string& prefix) {
    for (int i = 0; i < kRounds; ++i) {
      const std::string name = prefix + std::to_string(i);
      CreateRequest create{.dir = dir, .name = name, .mode = S_IFREG | 0644};
      const CreateReply made = export_->Create(client, create);
      ASSERT_EQ(made.error, 0);
      WriteRequest write{.node = {"d/" + name, made.entry.id}, .data = "x"};
      ASSERT_EQ(export_->Write(client, write).error, 0);
      RemoveRequest remove{.dir = dir, .name = name};
      if (i % 3 != 0) continue;
      ASSERT_EQ(export_->Remove(client, remove).error, 0);
    }
  };
  std::thread first([&] { work(client_, "one-"); });
  std::thread second([&] { work(other_, "two-"); });
  std::thread host([&] {
    for (int i = 0; i < kRounds; ++i) {
      const std::string name = Host("d/host-" + std::to_string(i));
      const UniqueFd fd(creat(name.c_str(), 0644));
      ASSERT_EQ(write(fd.get(), "x", 1), 1);
    }
  });
  first.join();
  second.join();
  host.join();
  const JournalPos start = seen_;
  int own = 0, foreign = 0;
  for (const Event& event : Events()) {
    // A name that is there no more cannot be told by its object.
    const bool gone = event.entry.id.IsNull();
    if (gone && event.kind != EventKind::kCreated &&
        event.kind != EventKind::kDeleted) {
      continue;
    }
    const bool mine = event.name.starts_with("one-");
    EXPECT_EQ(event.own, mine) << Describe(event);
    (mine ? own : foreign) += 1;
  }
  EXPECT_GE(own, kRounds);
  EXPECT_GE(foreign, 2 * kRounds);
  seen_ = start;
  for (const Event& event : EventsOf(other_)) {
    if (event.kind == EventKind::kCreated) {
      EXPECT_EQ(event.own, event.name.starts_with("two-"));
    }
  }
}

}  // namespace
}  // namespace warmfs::hostd
