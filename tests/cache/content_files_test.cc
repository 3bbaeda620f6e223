// The files alone: what is in them, what is left alone, what an error says.

#include "cache/content_files.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cache/support.h"

namespace warmfs::cache {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ContentFilesTest : public testing::Test {
 protected:
  ContentFilesTest() { Reopen(); }

  void Reopen() {
    files_.reset();
    files_ = *ContentFiles::Open(dir_.path());
  }
  void Write(uint64_t number, uint64_t index, std::string_view bytes) {
    ASSERT_TRUE(files_->Write(LargeAttr(number).id, index, bytes).ok());
  }
  std::string Read(uint64_t number, uint64_t index, size_t bytes) {
    Buffer out;
    const auto read = files_->Read(LargeAttr(number).id, index, bytes, out);
    return read.ok() ? std::string(out) : read.ToString().substr(0, 9);
  }
  std::vector<FileId> Ids() {
    std::vector<FileId> ids;
    files_->Visit([&](const FileId& id) {
      ids.push_back(id);
      return true;
    });
    return ids;
  }
  std::string Path(uint64_t number) {
    return ContentPath(dir_.path(), LargeAttr(number));
  }

  TempDir dir_;
  std::unique_ptr<ContentFiles> files_;
};

size_t OpenDescriptors() {
  const fs::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(fs::begin(all), fs::end(all)));
}

TEST_F(ContentFilesTest, EachBlockIsAtItsPlace) {
  const std::string bytes = Bytes(kBlockBytes, 1);
  Write(1, 3, bytes);
  Write(1, 0, "first");
  EXPECT_EQ(fs::file_size(Path(1)), 4 * kBlockBytes);
  Reopen();
  EXPECT_EQ(Read(1, 3, kBlockBytes), bytes);
  EXPECT_EQ(Read(1, 0, 5), "first");
  EXPECT_EQ(Read(1, 1, 2), std::string(2, '\0'));
  EXPECT_EQ(Read(1, 4, 1), "NOT_FOUND");
  EXPECT_EQ(Read(2, 0, 1), "NOT_FOUND");
  EXPECT_EQ(Read(2, 0, 0), "");
}

TEST_F(ContentFilesTest, NobodyElseMayReadThem) {
  Write(1, 0, "secret");
  struct stat info = {};
  ASSERT_EQ(stat(Path(1).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat((dir_ / "content").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(ContentFilesTest, ManyFilesTakeFewDescriptors) {
  constexpr uint64_t kFiles = 500;
  const size_t before = OpenDescriptors();
  for (uint64_t n = 1; n <= kFiles; ++n) Write(n, 0, std::to_string(n + 1000));
  for (uint64_t n = kFiles; n > 0; --n) {
    EXPECT_EQ(Read(n, 0, 4), std::to_string(n + 1000));
  }
  EXPECT_LE(OpenDescriptors(), before + 64);
  EXPECT_EQ(Ids().size(), kFiles);
}

TEST_F(ContentFilesTest, WhatIsRemovedGivesItsSpaceBackAndStartsEmpty) {
  Write(1, 0, Bytes(kBlockBytes, 1));
  Write(1, 1, Bytes(kBlockBytes, 2));
  EXPECT_GE(files_->DiskBytes(), 2 * kBlockBytes);
  files_->Punch(LargeAttr(1).id, 0);
  EXPECT_LT(files_->DiskBytes(), 2 * kBlockBytes);
  EXPECT_EQ(Read(1, 0, 3), std::string(3, '\0'));
  files_->Remove(LargeAttr(1).id);
  EXPECT_EQ(files_->DiskBytes(), 0u);
  EXPECT_EQ(Read(1, 0, 3), "NOT_FOUND");
  EXPECT_THAT(Ids(), IsEmpty());
  Write(1, 0, "new");
  Reopen();
  EXPECT_EQ(Read(1, 0, 3), "new");
}

// A reader opens the file just when it is removed: what is written then must
// not go into the file that is gone.
TEST_F(ContentFilesTest, WhatIsRemovedIsNotWrittenTo) {
  std::atomic<bool> done = false;
  const auto read = [&] {
    Buffer out;
    while (!done) (void)files_->Read(LargeAttr(1).id, 0, 1, out);
  };
  Write(1, 0, "x");
  std::thread reader(read);
  std::thread second(read);
  for (int i = 0; i < 3000 && !HasFailure(); ++i) {
    files_->Remove(LargeAttr(1).id);
    std::ofstream(Path(1)) << "not open here yet";
    files_->Remove(LargeAttr(1).id);
    Write(1, 0, "x");
    EXPECT_TRUE(fs::exists(Path(1))) << i;
  }
  done = true;
  reader.join();
  second.join();
}

TEST_F(ContentFilesTest, ADescriptorTooManySaysNothingAboutTheBytes) {
  Write(1, 0, "bytes");
  Reopen();
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  const rlimit none = {0, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  Buffer out;
  const absl::Status read = files_->Read(LargeAttr(1).id, 0, 5, out);
  const absl::Status written = files_->Write(LargeAttr(2).id, 0, "x");
  setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_TRUE(absl::IsUnavailable(read)) << read;
  EXPECT_TRUE(absl::IsUnavailable(written)) << written;
  EXPECT_EQ(Read(1, 0, 5), "bytes");
}

TEST_F(ContentFilesTest, WhatIsExpectedNeedNotBeThere) {
  files_->Expect(LargeAttr(1).id, 0, 8);
  EXPECT_FALSE(fs::exists(Path(1)));
  Write(1, 1, "bytes");
  files_->Expect(LargeAttr(1).id, 0, 8);
  EXPECT_EQ(Read(1, 1, 5), "bytes");
}

TEST_F(ContentFilesTest, NoLinkIsFollowed) {
  std::ofstream(dir_ / "thesis.txt") << "years of work";
  Write(1, 0, "x");
  Reopen();
  fs::remove(Path(1));
  fs::create_symlink(dir_ / "thesis.txt", Path(1));
  Buffer out;
  EXPECT_FALSE(files_->Read(LargeAttr(1).id, 0, 5, out).ok());
  EXPECT_FALSE(files_->Write(LargeAttr(1).id, 0, "wrong").ok());
  // A shard, then all of the folder.
  fs::create_directories(dir_ / "elsewhere");
  const fs::path shard = fs::path(Path(2)).parent_path();
  fs::create_symlink(dir_ / "elsewhere", shard);
  EXPECT_FALSE(files_->Write(LargeAttr(2).id, 0, "wrong").ok());
  ContentFiles::RemoveAll(dir_.path());
  fs::rename(dir_ / "content", dir_ / "moved");
  fs::create_symlink(dir_ / "moved", dir_ / "content");
  std::ofstream(dir_ / "moved/thesis.txt") << "more of it";
  EXPECT_FALSE(ContentFiles::Open(dir_.path()).ok());
  EXPECT_THAT(fs::is_empty(dir_ / "elsewhere"), true);
  EXPECT_EQ(fs::file_size(dir_ / "thesis.txt"), 13u);
}

TEST_F(ContentFilesTest, OnlyFilesOfItsOwnAreSeenAndRemoved) {
  Write(1, 0, "x");
  Write(256 + 1, 0, "x");
  Write(2, 0, "x");
  const std::string name = fs::path(Path(1)).filename();
  const fs::path shard = fs::path(Path(1)).parent_path();
  const std::vector<fs::path> foreign = {
      dir_ / "thesis.txt",        dir_ / "content/thesis.txt",
      shard / "thesis.txt",       shard / (name + ".old"),
      shard / name.substr(1),     shard.parent_path() / "02" / name,
      shard.parent_path() / name, shard / "000000000000000700000000000000AA",
  };
  for (const fs::path& path : foreign) std::ofstream(path) << "not ours";
  fs::create_directory(shard / "00000000000000080000000000000001");
  fs::create_directories(dir_ / "content/other");
  std::ofstream(fs::path(dir_ / "content/other") / name) << "not ours";
  fs::create_symlink(dir_ / "thesis.txt",
                     shard / "00000000000000090000000000000001");
  EXPECT_THAT(
      Ids(), UnorderedElementsAre(LargeAttr(1).id, LargeAttr(257).id,
                                  LargeAttr(2).id, FileId{8, 1}, FileId{9, 1}));
  ContentFiles::RemoveAll(dir_.path());
  EXPECT_THAT(Ids(), ElementsAre(FileId{8, 1}));  // a directory stays
  for (const fs::path& path : foreign) EXPECT_TRUE(fs::exists(path)) << path;
  EXPECT_TRUE(fs::exists(fs::path(dir_ / "content/other") / name));
}

}  // namespace
}  // namespace warmfs::cache
