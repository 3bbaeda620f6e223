#include "tests/hostd/export_fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/time/clock.h"
#include "hostd/limits.h"

namespace warmfs::hostd {

namespace fs = std::filesystem;

ExportTest::ExportTest() {
  SetUmask();
  chmod(base_.path().c_str(), 0755);
  root_ = base_ / "root";
  outside_ = base_ / "outside";
  mkdir(root_.c_str(), 0755);
  mkdir(outside_.c_str(), 0755);
  export_ = Open(false);
}

void ExportTest::LetGoOfRecentFiles() const {
  const absl::Time now = absl::Now();
  export_->Sweep(now + RecentFiles::kTerm);
  export_->Sweep(now + 2 * RecentFiles::kTerm);
}

std::unique_ptr<Export> ExportTest::Open(bool read_only) const {
  auto opened = Export::Open(
      {.name = "test", .directory = root_, .read_only = read_only});
  if (!opened.ok()) {
    ADD_FAILURE() << opened.status();
    std::abort();
  }
  return *std::move(opened);
}

void ExportTest::WriteHost(std::string_view path,
                           std::string_view bytes) const {
  std::ofstream out(Host(path), std::ios::binary);
  out << bytes;
  ASSERT_TRUE(out.flush()) << path;
}

std::string ExportTest::ReadHost(std::string_view path) const {
  std::ifstream in(Host(path), std::ios::binary);
  EXPECT_TRUE(in) << path;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

bool ExportTest::OnHost(std::string_view path) const {
  struct stat st {};
  return lstat(Host(path).c_str(), &st) == 0;
}

void ExportTest::MakeDir(std::string_view path) const {
  ASSERT_EQ(mkdir(Host(path).c_str(), 0755), 0) << path;
}

void ExportTest::MakeLink(std::string_view target,
                          std::string_view path) const {
  ASSERT_EQ(symlink(std::string(target).c_str(), Host(path).c_str()), 0)
      << path;
}

void ExportTest::FillDirectory(std::string_view path, int names) const {
  MakeDir(path);
  WriteHost("seed", "");
  const std::string seed = Host("seed"), prefix = Host(path) + "/name-";
  for (int i = 0; i < names; ++i) {
    const std::string name = prefix + std::to_string(i);
    ASSERT_EQ(link(seed.c_str(), name.c_str()), 0) << name;
  }
}

Attr ExportTest::AttrOf(const std::string& host_path) {
  const UniqueFd fd(open(host_path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  const AttrReader reader(fd.get(), Overlay(false, -1));
  Attr attr;
  EXPECT_EQ(reader.Read(fd.get(), &attr), 0) << host_path;
  return attr;
}

NodeRef ExportTest::Ref(std::string_view path) const {
  const std::string host = path.empty() ? root_ : Host(path);
  return {std::string(path), AttrOf(host).id};
}

Attr ExportTest::Settle(std::string_view path) const {
  Attr attr = AttrOf(Host(path));
  while (attr.racy) attr = AttrOf(Host(path));
  return attr;
}

CreateReply ExportTest::Create(std::string_view dir, std::string_view name,
                               uint32_t mode) {
  CreateRequest request;
  request.dir = Ref(dir);
  request.name = name;
  request.mode = mode;
  return export_->Create(client_, request);
}

WriteReply ExportTest::Write(const NodeRef& node, uint64_t offset,
                             std::string_view data) {
  WriteRequest request;
  request.node = node;
  request.offset = offset;
  request.data = data;
  return export_->Write(client_, request);
}

std::string ExportTest::Read(const NodeRef& node, int* error) {
  ReadRequest request;
  request.files.push_back({node, 0, 1, {}});
  const ReadReply reply = export_->Read(client_, request);
  if (error != nullptr) *error = reply.files.at(0).error;
  if (error == nullptr) {
    EXPECT_EQ(reply.files.at(0).error, 0);
  }
  const auto& blocks = reply.files.at(0).blocks;
  return blocks.empty() ? "" : std::string(blocks[0].bytes);
}

RemoveReply ExportTest::Remove(std::string_view dir, std::string_view name,
                               bool keep) {
  RemoveRequest request;
  request.dir = Ref(dir);
  request.name = name;
  request.keep_orphan = keep;
  return export_->Remove(client_, request);
}

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       fs::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

void RunUnprivileged(const std::function<void()>& body) {
  constexpr uid_t kSomebody = 12345;
  if (geteuid() != 0) return body();
  fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool dropped = setgroups(0, nullptr) == 0 &&
                         setresgid(kSomebody, kSomebody, kSomebody) == 0 &&
                         setresuid(kSomebody, kSomebody, kSomebody) == 0;
    if (!dropped) _exit(2);
    body();
    fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
      << "the child's failures are above; status " << status;
}

}  // namespace warmfs::hostd
