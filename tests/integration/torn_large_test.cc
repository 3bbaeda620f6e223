// As torn_read_test.cc, of a file of which the kernel has more pages than are
// dropped in order (fuse/page_drops.h): whoever reads it in order meets nothing
// older behind what is newer.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "fuse/page_drops.h"
#include "schema/unique_fd.h"
#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

constexpr size_t kPage = fuse::PageDrops::kPageBytes;
constexpr size_t kPages =
    (fuse::PageDrops::kMostChunks + 32) * fuse::PageDrops::kChunkPages;
constexpr int kRewrites = 8;

// Truncates it and writes it anew; each page begins with its generation.
void Rewrite(int fd, int generation) {
  std::string piece(64 * kPage, 'x');
  for (size_t at = 0; at < piece.size(); at += kPage) {
    snprintf(piece.data() + at, 16, "%08d", generation);
  }
  ASSERT_EQ(ftruncate(fd, 0), 0);
  for (size_t at = 0; at < kPages * kPage; at += piece.size()) {
    ASSERT_EQ(pwrite(fd, piece.data(), piece.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(piece.size()));
  }
}

// Reads on until the end, page by page as they come; how many there were.
size_t Pass(int fd, std::vector<int>& seen) {
  std::string piece(32 * kPage, '\0');
  int highest = 0;
  size_t page = 0;
  while (true) {
    const ssize_t n =
        pread(fd, piece.data(), piece.size(), static_cast<off_t>(page * kPage));
    if (n < 0 && errno == EINTR) continue;  // it was short for long
    if (n < 0) {
      ADD_FAILURE() << strerror(errno);
      return page;
    }
    for (size_t at = 0; at + kPage <= static_cast<size_t>(n); at += kPage) {
      const int generation = atoi(piece.data() + at);
      EXPECT_GE(generation, std::max(seen[page], highest)) << "page " << page;
      highest = generation;
      seen[page++] = generation;
    }
    if (n < static_cast<ssize_t>(kPage) || ::testing::Test::HasFailure())
      return page;
  }
}

class TornLargeTest : public MountTest {};

TEST_F(TornLargeTest, NothingOlderIsReadBehindWhatIsNewer) {
  const UniqueFd file(
      open(Host("f").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  Rewrite(file.get(), 0);
  Mount();
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      const UniqueFd fd(open(Mnt("f").c_str(), O_RDONLY | O_CLOEXEC));
      std::vector<int> seen(kPages);
      while (!stop && !HasFailure()) Pass(fd.get(), seen);
    });
  }
  for (int g = 1; g <= kRewrites && !HasFailure(); ++g) {
    Rewrite(file.get(), g);
    usleep(g % 4 == 0 ? 0 : 300'000);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  ASSERT_EQ(Execute({Program("warmfs"), "sync", Mnt()}).code, 0);
  std::vector<int> last(kPages, kRewrites);
  const UniqueFd fd(open(Mnt("f").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(Pass(fd.get(), last), kPages);
}

}  // namespace
}  // namespace warmfs::testing
