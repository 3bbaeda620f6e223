// What an export promises on every system, over the system's own files: the
// contract of hostd/file.h as the operations show it. Runs natively, and as a
// Windows program. What the system at hand cannot do is probed, and skipped by
// name.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "hostd/export.h"
#include "hostd/file.h"
#include "hostd/limits.h"
#include "schema/linux_abi.h"
#include "tests/hostd/scratch_directory.h"

namespace warmfs::hostd {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr uint32_t kFile = kS_IFREG | 0644;
constexpr uint32_t kDir = kS_IFDIR | 0755;

class ContractTest : public testing::Test {
 protected:
  ContractTest() {
    SetUmask();
    Reopen();
  }

  void Reopen() {
    export_.reset();
    auto opened = Export::Open({.name = "test", .directory = root_.string()});
    ASSERT_TRUE(opened.ok()) << opened.status();
    export_ = *std::move(opened);
  }

  NodeRef Root() const { return {"", export_->info().root}; }
  LookupReply Look(const NodeRef& dir, std::string_view name) {
    return export_->Lookup(client_, {dir, name, false});
  }
  NodeRef Ref(const std::string& path) {
    NodeRef at = Root();
    std::string rest = path;
    while (!rest.empty()) {
      const size_t slash = std::min(rest.find('/'), rest.size());
      const std::string name = rest.substr(0, slash);
      const LookupReply found = Look(at, name);
      EXPECT_EQ(found.error, 0) << path;
      at = {at.path.empty() ? name : at.path + "/" + name, found.entry.id};
      rest.erase(0, std::min(slash + 1, rest.size()));
    }
    return at;
  }
  CreateReply Make(std::string_view name, uint32_t mode = kFile,
                   const std::string& dir = "") {
    CreateRequest request;
    request.dir = Ref(dir);
    request.name = name;
    request.mode = mode;
    return export_->Create(client_, request);
  }
  void Fill(const std::string& path, std::string_view bytes) {
    WriteRequest request;
    request.node = Ref(path);
    request.data = bytes;
    EXPECT_EQ(export_->Write(client_, request).error, 0) << path;
  }
  std::string Bytes(const NodeRef& node) {
    ReadRequest request;
    request.files.push_back({node, 0, 1, {}});
    const ReadReply reply = export_->Read(client_, request);
    EXPECT_EQ(reply.files.at(0).error, 0);
    const auto& blocks = reply.files.at(0).blocks;
    return blocks.empty() ? "" : std::string(blocks[0].bytes);
  }
  std::vector<std::string> Names(const std::string& dir = "") {
    ListReply reply = export_->List(client_, cursors_, {Ref(dir), {}, false});
    std::vector<std::string> names;
    for (const DirEntry& entry : reply.entries) names.push_back(entry.name);
    return names;
  }
  RemoveReply Remove(std::string_view name, bool directory = false,
                     bool keep = false, const std::string& dir = "") {
    RemoveRequest request;
    request.dir = Ref(dir);
    request.name = name;
    request.directory = directory;
    request.keep_orphan = keep;
    return export_->Remove(client_, request);
  }
  RenameReply Rename(std::string_view from, std::string_view to,
                     uint32_t flags = 0, bool keep = false) {
    RenameRequest request;
    request.from_dir = request.to_dir = Root();
    request.from_name = from;
    request.to_name = to;
    request.flags = flags;
    request.keep_orphan = keep;
    return export_->Rename(client_, request);
  }

  const ScratchDirectory scratch_;
  const fs::path& root_ = scratch_.path();
  std::unique_ptr<Export> export_;
  FdBudget budget_{4096};
  std::unique_ptr<ClientState> state_ = std::make_unique<ClientState>(budget_);
  ClientState& client_ = *state_;
  Cursors cursors_{budget_};
};

TEST_F(ContractTest, WhatIsWrittenIsReadAndIsOnTheHost) {
  const CreateReply made = Make("f");
  ASSERT_EQ(made.error, 0);
  EXPECT_TRUE(made.entry.IsRegular());
  EXPECT_EQ(made.entry.nlink, 1u);
  Fill("f", "hello");
  EXPECT_EQ(Bytes(Ref("f")), "hello");
  std::ifstream host(root_ / "f", std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(host), {}), "hello");
  EXPECT_EQ(Look(Root(), "f").entry.size, 5u);
  EXPECT_EQ(Look(Root(), "f").entry.id, made.entry.id);
}

TEST_F(ContractTest, WhatTheHostWritesIsRead) {
  std::ofstream(root_ / "f", std::ios::binary) << "from\nthe host";
  EXPECT_EQ(Bytes(Ref("f")), "from\nthe host");
}

TEST_F(ContractTest, ANameIsMadeOnce) {
  ASSERT_EQ(Make("f").error, 0);
  EXPECT_EQ(Make("f").error, kEEXIST);
  EXPECT_EQ(Make("f", kDir).error, kEEXIST);
  CreateRequest request;
  request.dir = Root();
  request.name = "f";
  request.mode = kFile;
  request.exclusive = false;
  EXPECT_TRUE(export_->Create(client_, request).existed);
}

TEST_F(ContractTest, NamesThatWindowsRefusesAreKeptExactly) {
  const std::vector<std::string> names = {"a:b",
                                          "what?",
                                          "st*r",
                                          "<in>",
                                          "pi|pe",
                                          "quo\"te",
                                          "back\\slash",
                                          "dot.",
                                          "space ",
                                          "con",
                                          "NUL.txt",
                                          "com1",
                                          "gr\xC3\xBC\xC3\x9F",
                                          "\xF0\x9F\x98\x80",
                                          "\xEF\x80\xBA"};
  for (const std::string& name : names) {
    EXPECT_EQ(Make(name).error, 0) << name;
    EXPECT_EQ(Look(Root(), name).error, 0) << name;
  }
  EXPECT_THAT(Names(), testing::UnorderedElementsAreArray(names));
  for (const std::string& name : names) {
    EXPECT_EQ(Remove(name).error, 0) << name;
  }
  EXPECT_THAT(Names(), ElementsAre());
}

TEST_F(ContractTest, CaseIsExact) {
  ASSERT_EQ(Make("Readme").error, 0);
  EXPECT_EQ(Look(Root(), "README").error, kENOENT);
  EXPECT_EQ(Remove("readme").error, kENOENT);
  EXPECT_EQ(Look(Root(), "Readme").error, 0);
}

TEST_F(ContractTest, ARenameMayChangeTheCaseAlone) {
  ASSERT_EQ(Make("readme").error, 0);
  Fill("readme", "x");
  ASSERT_EQ(Rename("readme", "README").error, 0);
  EXPECT_THAT(Names(), ElementsAre("README"));
  EXPECT_EQ(Bytes(Ref("README")), "x");
}

TEST_F(ContractTest, DirectoriesAreListedAndRemovedWhenEmpty) {
  ASSERT_EQ(Make("d", kDir).error, 0);
  ASSERT_EQ(Make("f", kFile, "d").error, 0);
  EXPECT_THAT(Names(), ElementsAre("d"));
  EXPECT_THAT(Names("d"), ElementsAre("f"));
  EXPECT_EQ(Remove("d", true).error, kENOTEMPTY);
  EXPECT_EQ(Remove("d").error, kEISDIR);
  EXPECT_EQ(Remove("f", true, false, "d").error, kENOTDIR);
  ASSERT_EQ(Remove("f", false, false, "d").error, 0);
  EXPECT_EQ(Remove("d", true).error, 0);
  EXPECT_THAT(Names(), ElementsAre());
}

// Two links mean to `find`, and to a client that lists ahead, that there is
// none.
TEST_F(ContractTest, ADirectorysLinksDoNotHideTheDirectoriesInIt) {
  ASSERT_EQ(Make("d", kDir).error, 0);
  ASSERT_EQ(Make("in", kDir, "d").error, 0);
  EXPECT_GT(Look(Root(), "d").entry.nlink, 0u);
  EXPECT_NE(Look(Root(), "d").entry.nlink, 2u);
}

TEST_F(ContractTest, AnOrphanLivesWithoutItsName) {
  ASSERT_EQ(Make("f").error, 0);
  Fill("f", "before");
  const NodeRef orphan = Ref("f");
  const RemoveReply removed = Remove("f", false, true);
  ASSERT_EQ(removed.error, 0);
  EXPECT_EQ(removed.removed.nlink, 0u);
  EXPECT_THAT(Names(), ElementsAre());
  EXPECT_EQ(Bytes(orphan), "before");
  WriteRequest write;
  write.node = orphan;
  write.data = "BE";
  EXPECT_EQ(export_->Write(client_, write).error, 0);
  EXPECT_EQ(Bytes(orphan), "BEfore");
  ASSERT_EQ(Make("f").error, 0) << "the name is free";
  EXPECT_NE(Ref("f").id, orphan.id);
  export_->Release(client_, {{orphan.id}});
  EXPECT_EQ(export_->GetAttr(client_, orphan).error, kESTALE);
}

TEST_F(ContractTest, ADirectoryGoesThoughAnOrphanWasInIt) {
  ASSERT_EQ(Make("d", kDir).error, 0);
  ASSERT_EQ(Make("f", kFile, "d").error, 0);
  ASSERT_EQ(Remove("f", false, true, "d").error, 0);
  EXPECT_EQ(Remove("d", true).error, 0);
  EXPECT_THAT(Names(), ElementsAre());
}

TEST_F(ContractTest, ARenameReplacesAndKeepsWhatItReplaced) {
  ASSERT_EQ(Make("new").error, 0);
  ASSERT_EQ(Make("old").error, 0);
  Fill("new", "new");
  Fill("old", "old");
  const NodeRef replaced = Ref("old");
  const FileId id = Ref("new").id;
  const RenameReply reply = Rename("new", "old", 0, true);
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.moved.id, id);
  EXPECT_EQ(reply.other.id, replaced.id);
  EXPECT_THAT(Names(), ElementsAre("old"));
  EXPECT_EQ(Bytes(Ref("old")), "new");
  EXPECT_EQ(Bytes(replaced), "old");
}

TEST_F(ContractTest, ARenameOverWhatIsOpenOnTheHost) {
  ASSERT_EQ(Make("new").error, 0);
  ASSERT_EQ(Make("old").error, 0);
  Fill("new", "new");
  std::ifstream held(root_ / "old");
  ASSERT_TRUE(held.is_open());
  // A program of Windows may keep others from taking its file away.
  const int error = Rename("new", "old").error;
  if (error != 0) {
    EXPECT_EQ(error, kEBUSY);
    EXPECT_THAT(Names(), UnorderedElementsAre("new", "old"));
    held.close();
    ASSERT_EQ(Rename("new", "old").error, 0);
  }
  EXPECT_EQ(Bytes(Ref("old")), "new");
}

TEST_F(ContractTest, RenamesThatLinuxRefuses) {
  ASSERT_EQ(Make("f").error, 0);
  ASSERT_EQ(Make("d", kDir).error, 0);
  ASSERT_EQ(Make("e", kDir).error, 0);
  ASSERT_EQ(Make("in", kFile, "e").error, 0);
  EXPECT_EQ(Rename("f", "d").error, kEISDIR);
  EXPECT_EQ(Rename("d", "f").error, kENOTDIR);
  EXPECT_EQ(Rename("d", "e").error, kENOTEMPTY);
  EXPECT_EQ(Rename("f", "e", kRENAME_NOREPLACE).error, kEEXIST);
  EXPECT_EQ(Rename("none", "x").error, kENOENT);
  RenameRequest into;
  into.from_dir = Root();
  into.from_name = "d";
  into.to_dir = Ref("d");
  into.to_name = "d";
  EXPECT_EQ(export_->Rename(client_, into).error, kEINVAL);
  EXPECT_EQ(Rename("e", "d").error, 0) << "an empty directory is replaced";
  EXPECT_THAT(Names("d"), ElementsAre("in"));
}

TEST_F(ContractTest, ADirectoryMovesWithWhatIsInIt) {
  ASSERT_EQ(Make("d", kDir).error, 0);
  ASSERT_EQ(Make("to", kDir).error, 0);
  ASSERT_EQ(Make("f", kFile, "d").error, 0);
  const FileId id = Ref("d/f").id;
  RenameRequest request;
  request.from_dir = Root();
  request.from_name = "d";
  request.to_dir = Ref("to");
  request.to_name = "moved";
  ASSERT_EQ(export_->Rename(client_, request).error, 0);
  EXPECT_EQ(Ref("to/moved/f").id, id);
  EXPECT_EQ(export_->GetAttr(client_, {"d/f", id}).error, kESTALE);
}

TEST_F(ContractTest, HardLinksAreOneFile) {
  ASSERT_EQ(Make("f").error, 0);
  LinkRequest request{Ref("f"), Root(), "g", false};
  const LinkReply reply = export_->Link(client_, request);
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(reply.entry.nlink, 2u);
  EXPECT_EQ(Ref("f").id, Ref("g").id);
  EXPECT_EQ(export_->Link(client_, request).error, kEEXIST);
  EXPECT_EQ(Remove("f").removed.nlink, 1u);
  EXPECT_EQ(Look(Root(), "g").entry.nlink, 1u);
}

TEST_F(ContractTest, ModeAndOwnerAreKept) {
  ASSERT_EQ(Make("f", kS_IFREG | 0640).error, 0);
  EXPECT_EQ(Look(Root(), "f").entry.mode, kS_IFREG | 0640);
  SetAttrRequest request;
  request.node = Ref("f");
  request.mode = 0711;
  request.uid = 1234;
  request.gid = 567;
  const ChangeReply reply = export_->SetAttr(client_, request);
  if (reply.error == kEPERM) GTEST_SKIP() << "no right to chown here";
  ASSERT_EQ(reply.error, 0);
  Reopen();
  const Attr attr = Look(Root(), "f").entry;
  EXPECT_EQ(attr.mode, kS_IFREG | 0711);
  EXPECT_EQ(attr.uid, 1234u);
  EXPECT_EQ(attr.gid, 567u);
}

TEST_F(ContractTest, TimesAreKeptToATenthOfAMicrosecond) {
  ASSERT_EQ(Make("f").error, 0);
  for (const int64_t sec : {0LL, -5LL, 1'700'000'000LL, 4'000'000'000LL}) {
    SetAttrRequest request;
    request.node = Ref("f");
    request.mtime = TimeOrNow{false, {sec, 123'456'700}};
    ASSERT_EQ(export_->SetAttr(client_, request).error, 0);
    EXPECT_EQ(Look(Root(), "f").entry.mtime, (Timestamp{sec, 123'456'700}));
  }
}

TEST_F(ContractTest, SizesAndAppends) {
  ASSERT_EQ(Make("f").error, 0);
  Fill("f", "0123456789");
  SetAttrRequest cut;
  cut.node = Ref("f");
  cut.size = 4;
  EXPECT_EQ(export_->SetAttr(client_, cut).node.after.size, 4u);
  WriteRequest append;
  append.node = Ref("f");
  append.append = true;
  append.data = "!!";
  EXPECT_EQ(export_->Write(client_, append).written, 2u);
  EXPECT_EQ(Bytes(Ref("f")), "0123!!");
  cut.size = 8;
  EXPECT_EQ(export_->SetAttr(client_, cut).error, 0);
  EXPECT_EQ(Bytes(Ref("f")), std::string("0123!!\0\0", 8));
}

TEST_F(ContractTest, DataIsFoundAndHolesAreNoError) {
  ASSERT_EQ(Make("f").error, 0);
  Fill("f", "data");
  EXPECT_EQ(export_->Seek(client_, {Ref("f"), 1, false}).offset, 1u);
  EXPECT_EQ(export_->Seek(client_, {Ref("f"), 1, true}).offset, 4u);
  EXPECT_EQ(export_->Seek(client_, {Ref("f"), 4, false}).error, kENXIO);
}

TEST_F(ContractTest, ACopyIsAsLongAsItSays) {
  ASSERT_EQ(Make("f").error, 0);
  ASSERT_EQ(Make("g").error, 0);
  Fill("f", "0123456789");
  CopyRequest request{Ref("f"), 2, Ref("g"), 0, 100};
  EXPECT_EQ(export_->Copy(client_, request).copied, 8u);
  EXPECT_EQ(Bytes(Ref("g")), "23456789");
}

TEST_F(ContractTest, LocksExcludeOtherOwnersAndClientsAndEndWithTheirs) {
  ASSERT_EQ(Make("f").error, 0);
  const auto lock = [&](ClientState& client, uint64_t owner, LockType type,
                        uint64_t length = 0) {
    LockRequest request;
    request.node = Ref("f");
    request.owner = owner;
    request.type = type;
    request.length = length;
    return export_->Lock(client, request).error;
  };
  {
    ClientState other(budget_);
    ASSERT_EQ(lock(other, 1, LockType::kWrite, 5), 0);
    EXPECT_EQ(lock(other, 2, LockType::kRead), kEAGAIN);
    EXPECT_EQ(lock(client_, 1, LockType::kRead), kEAGAIN);
    // What is locked can be used: programs do, while they hold it.
    Fill("f", "content");
    EXPECT_EQ(Bytes(Ref("f")), "content");
    EXPECT_EQ(lock(other, 1, LockType::kUnlock), 0);
    EXPECT_EQ(other.locks().size(), 0u);
    ASSERT_EQ(lock(other, 1, LockType::kWrite), 0);
  }
  ASSERT_EQ(lock(client_, 1, LockType::kWrite), 0);
  EXPECT_EQ(Remove("f").error, 0) << "and be removed";
}

TEST_F(ContractTest, LinksAreShownAndNotFollowed) {
  CreateRequest request;
  request.dir = Root();
  request.name = "link";
  request.mode = kS_IFLNK | 0777;
  request.target = "../outside";
  const CreateReply reply = export_->Create(client_, request);
  if (reply.error == kEPERM) GTEST_SKIP() << "no symbolic links here";
  ASSERT_EQ(reply.error, 0);
  EXPECT_EQ(Look(Root(), "link").target, "../outside");
  EXPECT_EQ(export_->GetAttr(client_, {"link/x", {1, 2}}).error, kESTALE);
}

TEST_F(ContractTest, NoNameLeadsOut) {
  ASSERT_EQ(Make("d", kDir).error, 0);
  for (const std::string path :
       {"..", "d/..", "/", "d//d", "d/../..", "./d", "d/"}) {
    EXPECT_EQ(export_->GetAttr(client_, {path, {1, 2}}).error, kEINVAL) << path;
  }
  // What separates the parts of a path on Windows is a letter like any other.
  EXPECT_EQ(Look(Root(), "..\\..").error, kENOENT);
  EXPECT_EQ(Look(Root(), "C:").error, kENOENT);
  EXPECT_EQ(Look(Root(), "d::$INDEX_ALLOCATION").error, kENOENT);
}

TEST_F(ContractTest, LongPathsAreReached) {
  std::string path;
  for (int i = 0; i < 8; ++i) {
    const std::string name(100, static_cast<char>('a' + i));
    ASSERT_EQ(Make(name, kDir, path).error, 0) << i;
    path += (path.empty() ? "" : "/") + name;
  }
  ASSERT_EQ(Make("f", kFile, path).error, 0);
  Fill(path + "/f", "deep");
  EXPECT_EQ(Bytes(Ref(path + "/f")), "deep");
}

TEST_F(ContractTest, ALargeDirectoryIsListedInPages) {
  constexpr size_t kMany = kMaxListEntries + 100;
  for (size_t i = 0; i < kMany; ++i) {
    std::ofstream(root_ / ("name" + std::to_string(i)));
  }
  ListReply page = export_->List(client_, cursors_, {Root(), {}, false});
  size_t count = page.entries.size();
  while (page.cursor != 0) {
    page = export_->ListMore(cursors_, page.cursor);
    ASSERT_EQ(page.error, 0);
    count += page.entries.size();
  }
  EXPECT_EQ(count, kMany);
}

TEST_F(ContractTest, TheFileSystemIsDescribed) {
  const StatFsReply reply = export_->StatFs(client_, Root());
  EXPECT_EQ(reply.error, 0);
  EXPECT_GT(reply.blocks, 0u);
  EXPECT_GE(reply.blocks, reply.blocks_free);
}

TEST_F(ContractTest, ADirectoryThatIsNotThereIsNotExported) {
  const auto opened =
      Export::Open({.name = "x", .directory = (root_ / "none").string()});
  EXPECT_TRUE(absl::IsNotFound(opened.status())) << opened.status();
}

}  // namespace
}  // namespace warmfs::hostd
