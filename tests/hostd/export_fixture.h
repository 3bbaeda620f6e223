// A real directory that is exported, a sibling that is not, and one client.
//
//   base_/root      the export
//   base_/outside   must never be reached through it

#ifndef WARMFS_TESTS_HOSTD_EXPORT_FIXTURE_H_
#define WARMFS_TESTS_HOSTD_EXPORT_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "hostd/export.h"
#include "tests/support/temp_dir.h"

namespace warmfs::hostd {

class ExportTest : public testing::Test {
 protected:
  ExportTest();

  // --- on the host, behind the export's back ---
  std::string Host(std::string_view path) const {
    return root_ + '/' + std::string(path);
  }
  void WriteHost(std::string_view path, std::string_view bytes) const;
  std::string ReadHost(std::string_view path) const;
  bool OnHost(std::string_view path) const;
  void MakeDir(std::string_view path) const;
  void MakeLink(std::string_view target, std::string_view path) const;

  // A new directory of that many names, all of one file: that is faster.
  void FillDirectory(std::string_view path, int names) const;

  // --- what a client would know ---
  static Attr AttrOf(const std::string& host_path);
  NodeRef Ref(std::string_view path) const;
  // Waits, by looking, until the object's ctime is no longer racy.
  Attr Settle(std::string_view path) const;

  // --- the usual requests ---
  CreateReply Create(std::string_view dir, std::string_view name,
                     uint32_t mode);
  WriteReply Write(const NodeRef& node, uint64_t offset, std::string_view data);
  // The first block of a file, or the errno in `error`.
  std::string Read(const NodeRef& node, int* error = nullptr);
  RemoveReply Remove(std::string_view dir, std::string_view name,
                     bool keep = false);

  // What is held of files that may be read next (recent_files.h) is let go.
  void LetGoOfRecentFiles() const;

  // The same directory, exported again.
  std::unique_ptr<Export> Open(bool read_only) const;

  TempDir base_;
  std::string root_;
  std::string outside_;
  FdBudget budget_{4096};
  ClientState client_{budget_};
  Cursors cursors_{budget_};
  std::unique_ptr<Export> export_;
};

// How many descriptors this process has open.
size_t OpenDescriptors();

// Runs `body` as a user without privileges, in a child process if need be, in
// which failed expectations count for the calling test.
void RunUnprivileged(const std::function<void()>& body);

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_HOSTD_EXPORT_FIXTURE_H_
