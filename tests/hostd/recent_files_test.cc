// Files that the host replaces or deletes while the VM has them open.

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "tests/hostd/watch_fixture.h"

namespace warmfs::hostd {
namespace {

class RecentFilesTest : public WatchTest {
 protected:
  void Replace(std::string_view path, std::string_view bytes) const {
    WriteHost("new", bytes);
    ASSERT_EQ(rename(Host("new").c_str(), Host(path).c_str()), 0);
  }
  NodeRef LookUp(const std::string& name) {
    const LookupReply reply =
        export_->Lookup(client_, {.dir = Ref(""), .name = name});
    EXPECT_EQ(reply.error, 0);
    return {name, reply.entry.id};
  }
  FileRead ReadBlock(const NodeRef& file, uint64_t index) {
    const ReadReply reply =
        export_->Read(client_, {.files = {{file, index, 1, {}}}});
    return reply.files.at(0);
  }
  // So many terms, of which the export is told.
  void PassTerms(int terms) {
    for (int i = 0; i < terms; ++i) export_->Sweep(now_ += RecentFiles::kTerm);
  }

 private:
  absl::Time now_ = absl::Now();
};

TEST_F(RecentFilesTest, WhatWasLookedUpIsReadThoughItWasReplaced) {
  WriteHost("f", "old");
  const NodeRef file = LookUp("f");
  Replace("f", "new");
  EXPECT_EQ(Read(file), "old");
  EXPECT_EQ(Read(Ref("f")), "new");
}

TEST_F(RecentFilesTest, WhatWasReadInPartIsReadOnThoughItWasDeleted) {
  const std::string bytes = std::string(kBlockBytes, 'a') + "the rest";
  WriteHost("f", bytes);
  const NodeRef file = Ref("f");
  ASSERT_EQ(ReadBlock(file, 0).blocks.at(0).bytes.size(), kBlockBytes);
  ASSERT_EQ(unlink(Host("f").c_str()), 0);
  const FileRead rest = ReadBlock(file, 1);
  ASSERT_EQ(rest.error, 0);
  EXPECT_EQ(rest.blocks.at(0).bytes, "the rest");
  EXPECT_EQ(rest.attr.nlink, 0u);
}

TEST_F(RecentFilesTest, WhatWasSavedJustBeforeItWasListedIsRead) {
  WriteHost("f", "old");
  ASSERT_EQ(List("", /*lease=*/false).entries.size(), 1u);
  const NodeRef file = Ref("f");
  Replace("f", "new");
  EXPECT_EQ(Read(file), "old");
}

TEST_F(RecentFilesTest, WhatWasReadAsAWholeIsNotHeld) {
  WriteHost("f", "all of it");
  const NodeRef file = Ref("f");
  const size_t before = OpenDescriptors();
  ASSERT_EQ(Read(file), "all of it");
  EXPECT_EQ(OpenDescriptors(), before);
  Replace("f", "new");
  EXPECT_EQ(ReadBlock(file, 0).error, ESTALE);
}

// An editor saves twice within a moment: the second replaces a file that
// nobody has looked up, since the event of the first has told of it.
TEST_F(RecentFilesTest, WhatAnEventToldOfIsReadThoughItWasReplaced) {
  WriteHost("f", "first");
  Lease("");
  Replace("f", "second");
  const std::vector<Event> events = Events();
  ASSERT_FALSE(events.empty());
  const NodeRef second{"f", events.back().entry.id};
  Replace("f", "third");
  EXPECT_EQ(Read(second), "second");
}

TEST_F(RecentFilesTest, ItIsForReadingAlone) {
  WriteHost("f", "old");
  const NodeRef file = LookUp("f");
  Replace("f", "new");
  EXPECT_EQ(export_->GetAttr(client_, file).error, ESTALE);
  EXPECT_EQ(Write(file, 0, "x").error, ESTALE);
  EXPECT_EQ(ReadHost("f"), "new");
}

TEST_F(RecentFilesTest, ItIsReadForATermAndGoneAfterTwo) {
  WriteHost("f", "old");
  PassTerms(1);
  const NodeRef file = LookUp("f");
  Replace("f", "new");
  PassTerms(1);
  EXPECT_EQ(Read(file), "old");
  PassTerms(2);
  EXPECT_EQ(ReadBlock(file, 0).error, ESTALE);
}

// The host's own watchers hear that it is gone, if late.
TEST_F(RecentFilesTest, AHeldFileIsFreed) {
  WriteHost("f", "old");
  const int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  ASSERT_GE(inotify_add_watch(watch, Host("f").c_str(), IN_DELETE_SELF), 0);
  char event[4096];
  LookUp("f");
  ASSERT_EQ(unlink(Host("f").c_str()), 0);
  EXPECT_EQ(read(watch, event, sizeof(event)), -1);
  PassTerms(2);
  EXPECT_GT(read(watch, event, sizeof(event)), 0);
  close(watch);
}

TEST_F(RecentFilesTest, ABoundedNumberIsHeld) {
  constexpr size_t kFiles = 2 * RecentFiles::kMost;
  const auto name = [](size_t i) { return "f" + std::to_string(i); };
  for (size_t i = 0; i < kFiles; ++i) WriteHost(name(i), "x");
  const size_t before = OpenDescriptors();
  for (int terms = 0; terms < 3; ++terms) {
    for (size_t i = 0; i < kFiles; ++i) LookUp(name(i));
    EXPECT_LE(OpenDescriptors() - before, 2 * RecentFiles::kMost);
    PassTerms(1);
  }
  const NodeRef last{"f" + std::to_string(kFiles - 1),
                     Ref(name(kFiles - 1)).id};
  Replace(last.path, "y");
  EXPECT_EQ(Read(last), "x");
  PassTerms(2);
  EXPECT_LE(OpenDescriptors(), before);
}

}  // namespace
}  // namespace warmfs::hostd
