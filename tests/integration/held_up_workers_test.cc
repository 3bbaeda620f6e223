// Requests that wait for a drop of pages leave somebody to serve others: the
// drop may wait for one of them.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "schema/unique_fd.h"
#include "tests/integration/injection_fixture.h"

namespace warmfs::testing {
namespace {

class HeldUpWorkersTest : public InjectionTest {};

TEST_F(HeldUpWorkersTest, AllOfThemAtOnceHoldUpNobodyElse) {
  std::vector<std::string> paths;
  for (int i = 0; i < kWorkers; ++i) {
    paths.push_back("e/held" + std::to_string(i));
    host_.Write(paths.back(), "content");
  }
  Mount();
  std::vector<fuse::NodeId> nodes;
  for (const std::string& path : paths) nodes.push_back(Node(path));
  // It is wanted, and nobody begins it.
  for (const fuse::NodeId node : nodes) fs_->drops().Want(node);
  std::vector<std::thread> readers;
  for (const std::string& path : paths) {
    readers.emplace_back([file = Mnt(path)] {
      const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
      char byte = 0;
      EXPECT_EQ(pread(fd.get(), &byte, 1, 0), 1);
      EXPECT_EQ(byte, 'c');
    });
  }
  while (began_to_wait_ < kWorkers) absl::SleepFor(absl::Microseconds(100));
  EXPECT_EQ(access(Mnt("e/nothing").c_str(), F_OK), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(waited_, 0);
  for (const fuse::NodeId node : nodes) {
    fs_->drops().Carry(node, 1, [](uint64_t, uint64_t) {});
  }
  for (std::thread& reader : readers) reader.join();
  Unmount();
}

}  // namespace
}  // namespace warmfs::testing
