// What Windows does not let hostd do, as clients are told of it: files that
// another program has locked, paths that are too long, and each of its errors.
// Runs as a Windows program.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
// After winsock2.h, which this includes.
#include "hostd/win32/handle.h"
// After it.
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "hostd/export.h"
#include "hostd/resolve.h"
#include "schema/linux_abi.h"
#include "tests/hostd/scratch_directory.h"

namespace warmfs::hostd {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class LockedFileTest : public testing::Test {
 protected:
  LockedFileTest() {
    std::ofstream(scratch_.path() / "Locked File.txt") << "content";
    export_ =
        *Export::Open({.name = "test", .directory = scratch_.path().string()});
    node_ = {"Locked File.txt", Look().entry.id};
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
  }
  ~LockedFileTest() override { spdlog::set_default_logger(before_); }

  LookupReply Look() {
    return export_->Lookup(client_, {Root(), "Locked File.txt", false});
  }
  NodeRef Root() const { return {"", export_->info().root}; }

  int Read() {
    ReadRequest request;
    request.files.push_back({node_, 0, 1, {}});
    return export_->Read(client_, request).files.at(0).error;
  }
  int Write() {
    WriteRequest request;
    request.node = node_;
    request.data = "CON";
    return export_->Write(client_, request).error;
  }
  int Truncate() {
    SetAttrRequest request;
    request.node = node_;
    request.size = 3;
    return export_->SetAttr(client_, request).error;
  }
  int Remove() {
    RemoveRequest request;
    request.dir = Root();
    request.name = "Locked File.txt";
    return export_->Remove(client_, request).error;
  }
  int Rename(std::string_view from, std::string_view to) {
    RenameRequest request;
    request.from_dir = request.to_dir = Root();
    request.from_name = from;
    request.to_name = to;
    return export_->Rename(client_, request).error;
  }
  // What was logged since the last call.
  std::string Log() {
    std::string text = log_.str();
    log_.str("");
    return text;
  }
  // As a program opens it that lets others do only `share`.
  UniqueFd Open(DWORD share) {
    return FromHandle(
        CreateFileW((scratch_.path() / "Locked File.txt").wstring().c_str(),
                    GENERIC_READ | GENERIC_WRITE, share, nullptr, OPEN_EXISTING,
                    0, nullptr));
  }

  const ScratchDirectory scratch_;
  std::unique_ptr<Export> export_;
  FdBudget budget_{4096};
  ClientState client_{budget_};
  NodeRef node_;
  std::ostringstream log_;
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

const auto kSaid =
    AllOf(HasSubstr("another program has locked a file: Locked File.txt"),
          HasSubstr("warning"));

TEST_F(LockedFileTest, IsBusyToWhoeverUsesItsContent) {
  UniqueFd held = Open(/*share=*/0);
  ASSERT_TRUE(held);
  EXPECT_EQ(Read(), kEBUSY);
  EXPECT_THAT(Log(), kSaid);
  EXPECT_EQ(Write(), kEBUSY);
  EXPECT_THAT(Log(), kSaid);
  EXPECT_EQ(Truncate(), kEBUSY);
  EXPECT_THAT(Log(), kSaid);
  EXPECT_EQ(Look().error, 0) << "its attributes are told";
  EXPECT_EQ(Log(), "");
  held.Reset();
  EXPECT_EQ(Read(), 0);
  EXPECT_EQ(Write(), 0);
  EXPECT_EQ(Truncate(), 0);
  EXPECT_EQ(Log(), "");
}

TEST_F(LockedFileTest, OneThatOthersMayReadIsRead) {
  UniqueFd held = Open(FILE_SHARE_READ);
  ASSERT_TRUE(held);
  EXPECT_EQ(Read(), 0);
  EXPECT_EQ(Log(), "");
  EXPECT_EQ(Write(), kEBUSY);
  EXPECT_THAT(Log(), kSaid);
}

// Most programs let others read and write, and not delete.
TEST_F(LockedFileTest, KeepsItsName) {
  std::ofstream(scratch_.path() / "other") << "x";
  UniqueFd held = Open(FILE_SHARE_READ | FILE_SHARE_WRITE);
  ASSERT_TRUE(held);
  EXPECT_EQ(Remove(), kEBUSY);
  EXPECT_THAT(Log(), kSaid);
  EXPECT_EQ(Rename("Locked File.txt", "new"), kEBUSY);
  EXPECT_THAT(Log(), kSaid);
  EXPECT_EQ(Rename("other", "Locked File.txt"), kEBUSY);
  EXPECT_THAT(Log(), kSaid);
  EXPECT_EQ(Look().entry.id, node_.id);
  held.Reset();
  EXPECT_EQ(Rename("other", "Locked File.txt"), 0);
  EXPECT_EQ(Remove(), 0);
}

// A part of it, by LockFileEx. Wine keeps nobody from reading it.
TEST_F(LockedFileTest, IsBusyWhereAPartOfItIsLocked) {
  UniqueFd held = Open(FILE_SHARE_READ | FILE_SHARE_WRITE);
  OVERLAPPED at{};
  ASSERT_TRUE(
      LockFileEx(ToHandle(held.get()), LOCKFILE_EXCLUSIVE_LOCK, 0, 2, 0, &at));
  if (Read() == 0) GTEST_SKIP() << "locks keep nobody from reading here";
  EXPECT_THAT(Log(), kSaid);
  EXPECT_EQ(Read(), kEBUSY);
  EXPECT_EQ(Write(), kEBUSY);
  held.Reset();
  EXPECT_EQ(Read(), 0);
}

TEST(WhileLockedTest, TriesAgainUntilItIsFreeAndNoLonger) {
  const ScratchDirectory scratch;
  const UniqueFd dir = FromHandle(CreateFileW(
      scratch.path().wstring().c_str(), FILE_READ_ATTRIBUTES, FILE_SHARE_READ,
      nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr));
  int calls = 0;
  const auto fails = [&](DWORD error, int times) {
    calls = 0;
    return WhileLocked(dir.get(), [&calls, error, times] {
      SetLastError(error);
      return calls++ >= times;
    });
  };
  EXPECT_EQ(fails(ERROR_LOCK_VIOLATION, 3), 0);
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(fails(ERROR_LOCK_VIOLATION, 1000), kEBUSY);
  EXPECT_LT(calls, 100);
  EXPECT_EQ(fails(ERROR_DISK_FULL, 1000), kENOSPC);
  EXPECT_EQ(calls, 1);
}

TEST(PathLengthTest, WhatWindowsCannotSayIsTooLong) {
  const ScratchDirectory scratch;
  const auto exported =
      *Export::Open({.name = "test", .directory = scratch.path().string()});
  FdBudget budget(4096);
  ClientState client(budget);
  const auto look = [&](size_t names, const std::string& name) {
    std::string path = name;
    for (size_t i = 1; i < names; ++i) path += '/' + name;
    return exported->GetAttr(client, {path, {1, 2}}).error;
  };
  const std::string name(99, 'n');
  EXPECT_EQ(look(320, name), kESTALE) << "32,000: it is not there";
  EXPECT_EQ(look(328, name), kENAMETOOLONG) << "32,800";
  // Of two bytes each, which are one character.
  std::string umlauts;
  for (int i = 0; i < 99; ++i) umlauts += "\xC3\xBC";
  EXPECT_EQ(look(320, umlauts), kESTALE);
  EXPECT_EQ(look(328, umlauts), kENAMETOOLONG);
  const UniqueFd dir = *OpenExportRoot(scratch.path().string());
  EXPECT_EQ(CheckLength(dir.get(), std::wstring(255, L'n')), 0);
  EXPECT_EQ(CheckLength(dir.get(), std::wstring(32'767, L'n')), kENAMETOOLONG);
}

TEST(ErrnoOfTest, WindowsErrorsAreLinuxs) {
  struct Case {
    DWORD windows;
    int linux_errno;
  };
  for (const Case& c : std::vector<Case>{
           {ERROR_SUCCESS, 0},
           {ERROR_FILE_NOT_FOUND, kENOENT},
           {ERROR_PATH_NOT_FOUND, kENOENT},
           {ERROR_ACCESS_DENIED, kEACCES},
           {ERROR_PRIVILEGE_NOT_HELD, kEPERM},
           {ERROR_SHARING_VIOLATION, kEBUSY},
           {ERROR_LOCK_VIOLATION, kEBUSY},
           {ERROR_USER_MAPPED_FILE, kEBUSY},
           {ERROR_ALREADY_EXISTS, kEEXIST},
           {ERROR_NOT_SAME_DEVICE, kEXDEV},
           {ERROR_DIR_NOT_EMPTY, kENOTEMPTY},
           {ERROR_INVALID_NAME, kEINVAL},
           {ERROR_DISK_FULL, kENOSPC},
           {ERROR_WRITE_PROTECT, kEROFS},
           {ERROR_FILENAME_EXCED_RANGE, kENAMETOOLONG},
           {ERROR_NOT_SUPPORTED, kEOPNOTSUPP},
           // A drive that was pulled out.
           {ERROR_NOT_READY, kENODEV},
           {ERROR_DEV_NOT_EXIST, kENODEV},
           {ERROR_DEVICE_NOT_CONNECTED, kENODEV},
           {ERROR_GEN_FAILURE, kEIO},
           {0xFFFFFFFF, kEIO},
       }) {
    EXPECT_EQ(ErrnoOf(c.windows), c.linux_errno) << c.windows;
  }
}

}  // namespace
}  // namespace warmfs::hostd
