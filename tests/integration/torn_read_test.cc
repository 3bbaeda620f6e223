// What is read of a file while the host rewrites it: nothing that a program on
// the host could not have read. Each way of rewriting beside each way of
// reading, judged by one judge; the same on a local directory shows that the
// judge knows what is local.
//
// A file is made of lines that tell their generation and their place. Writers
// write lines in order, readers read them in order. So, of two lines of one
// pass:
//  - rewritten in place: if the first is of generation g, all of g - 1 had been
//    written by then, and the second is of g - 1 at least;
//  - truncated and written anew: the second is of g at least;
//  - replaced: both are of one generation, and so is the length;
//  - appended to: nothing that was there changes.
// And no reader ever finds a line older, or an appended file shorter, than it
// has found it before.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <random>
#include <thread>

#include "tests/integration/host_needs.h"
#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {
namespace {

constexpr size_t kLineBytes = 32;
constexpr size_t kFew = 700;      // 22 KiB, one request
constexpr size_t kMany = 20'000;  // 640 KB, several

// The whole number is run by hand (CONTRIBUTING.md).
int Generations() {
  const char* wanted = getenv("WARMFS_GENERATIONS");
  return wanted == nullptr ? 80 : atoi(wanted);
}

enum class Rewrite { kInPlace, kInPlaceHeldOpen, kTruncate, kReplace, kAppend };
enum class Way { kOpened, kHeldOpen, kMapped };

struct Case {
  const char* name;
  bool mounted;
  Rewrite rewrite;
  Way way;
  size_t lines;
};

std::string Line(int generation, size_t place) {
  char text[kLineBytes + 1];
  snprintf(text, sizeof(text), "%015d %015zu\n", generation, place);
  return text;
}

std::string Lines(int generation, size_t from, size_t count) {
  std::string all;
  for (size_t i = from; i < from + count; ++i) all += Line(generation, i);
  return all;
}

class Writer {
 public:
  Writer(std::string path, Rewrite how, size_t lines)
      : path_(std::move(path)), how_(how), lines_(lines) {
    Replace(0, how == Rewrite::kAppend ? 0 : lines);
    const int flags = how == Rewrite::kAppend ? O_APPEND : 0;
    held_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC | flags);
  }
  ~Writer() { close(held_); }

  int begun() const { return begun_; }

  void Next() {
    const int generation = ++begun_;
    const std::string all = Lines(generation, 0, lines_);
    switch (how_) {
      case Rewrite::kInPlace:
        return Put(O_WRONLY, all, all.size());
      case Rewrite::kInPlaceHeldOpen:
        ASSERT_EQ(pwrite(held_, all.data(), all.size(), 0),
                  static_cast<ssize_t>(all.size()));
        return;
      case Rewrite::kTruncate:
        return Put(O_WRONLY | O_TRUNC, all, 10'000);
      case Rewrite::kReplace:
        return Replace(generation, lines_ + generation % 7);
      case Rewrite::kAppend: {
        const size_t each = lines_ / 100 + 1;
        const std::string more = Lines(0, appended_, each);
        ASSERT_EQ(write(held_, more.data(), more.size()),
                  static_cast<ssize_t>(more.size()));
        appended_ += each;
        return;
      }
    }
  }

 private:
  void Replace(int generation, size_t lines) {
    WriteFile(path_ + ".tmp", Lines(generation, 0, lines));
    ASSERT_EQ(rename((path_ + ".tmp").c_str(), path_.c_str()), 0);
  }
  void Put(int flags, const std::string& all, size_t step) {
    const int fd = open(path_.c_str(), flags | O_CLOEXEC);
    ASSERT_GE(fd, 0) << strerror(errno);
    for (size_t at = 0; at < all.size(); at += step) {
      const size_t n = std::min(step, all.size() - at);
      ASSERT_EQ(pwrite(fd, all.data() + at, n, static_cast<off_t>(at)),
                static_cast<ssize_t>(n));
    }
    close(fd);
  }

  const std::string path_;
  const Rewrite how_;
  const size_t lines_;
  int held_ = -1;
  size_t appended_ = 0;
  std::atomic<int> begun_{0};
};

class Reader {
 public:
  Reader(std::string path, Way way) : path_(std::move(path)), way_(way) {
    if (way_ == Way::kHeldOpen) held_ = Open();
  }
  ~Reader() {
    if (held_ >= 0) close(held_);
  }

  // Nothing if a mapped file was shorter than fstat had said (fuse/growth.h).
  std::optional<std::string> Pass() const {
    const int fd = held_ >= 0 ? held_ : Open();
    auto all = way_ == Way::kMapped ? Map(fd) : Read(fd);
    if (fd != held_) close(fd);
    return all;
  }

 private:
  int Open() const {
    const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_GE(fd, 0) << strerror(errno);
    return fd;
  }
  static std::optional<std::string> Read(int fd) {
    std::string all;
    char piece[100'000];
    while (true) {
      const ssize_t n =
          pread(fd, piece, sizeof(piece), static_cast<off_t>(all.size()));
      // The file was short for long (fuse/early_end.h).
      if (n < 0 && errno == EINTR) continue;
      EXPECT_GE(n, 0) << strerror(errno);
      if (n <= 0) return all;
      all.append(piece, static_cast<size_t>(n));
    }
  }
  static std::optional<std::string> Map(int fd) {
    struct stat st {};
    EXPECT_EQ(fstat(fd, &st), 0);
    if (st.st_size == 0) return "";
    const auto size = static_cast<size_t>(st.st_size);
    void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
      ADD_FAILURE() << strerror(errno);
      return "";
    }
    // By a system call, which comes back where the program would get SIGBUS.
    const int copy = memfd_create("copy", MFD_CLOEXEC);
    const ssize_t n = write(copy, map, size);
    munmap(map, size);
    std::string all(size, '\0');
    const ssize_t got = pread(copy, all.data(), size, 0);
    close(copy);
    if (n != st.st_size || got != n) return std::nullopt;
    return all;
  }

  const std::string path_;
  const Way way_;
  int held_ = -1;
};

// Of one reader.
class Judge {
 public:
  Judge(Rewrite how, size_t lines) : how_(how), lines_(lines) {}

  // What is wrong with a pass, or nothing. `begun`: the generation that had
  // been begun when it ended.
  std::string Look(const std::string& all, int begun) {
    if (all.size() % kLineBytes != 0 && how_ != Rewrite::kTruncate) {
      return "its length is " + std::to_string(all.size());
    }
    const size_t lines = all.size() / kLineBytes;
    if (how_ == Rewrite::kAppend && lines < seen_.size())
      return "it is shorter";
    seen_.resize(std::max(seen_.size(), lines));
    int highest = 0;
    for (size_t i = 0; i < lines; ++i) {
      const std::string line = all.substr(i * kLineBytes, kLineBytes);
      const int generation = atoi(line.c_str());
      const auto at = [&](const std::string& what) {
        return "line " + std::to_string(i) + " of " + std::to_string(lines) +
               " is of generation " + std::to_string(generation) + ", " + what;
      };
      if (line != Line(generation, i))
        return at("and not whole: '" + line + "'");
      if (generation > begun) return at("which was not begun");
      if (generation < seen_[i]) {
        return at("and was of " + std::to_string(seen_[i]) + " before");
      }
      if (generation < Least(highest)) {
        return at("after one of " + std::to_string(highest));
      }
      if (how_ == Rewrite::kReplace && i > 0 && generation != highest) {
        return at("in a file that began with " + std::to_string(highest));
      }
      highest = std::max(highest, generation);
      seen_[i] = generation;
    }
    if (how_ == Rewrite::kReplace && lines != lines_ + highest % 7) {
      return std::to_string(lines) + " lines are not those of " +
             std::to_string(highest);
    }
    return {};
  }

 private:
  int Least(int highest) const {
    const bool in_place =
        how_ == Rewrite::kInPlace || how_ == Rewrite::kInPlaceHeldOpen;
    return in_place ? highest - 1 : highest;
  }

  const Rewrite how_;
  const size_t lines_;
  std::vector<int> seen_;
};

class TornReadTest : public MountTest,
                     public ::testing::WithParamInterface<Case> {};

TEST_P(TornReadTest, NothingIsReadThatALocalReaderCouldNotRead) {
  const Case& c = GetParam();
  Writer writer(Host("f"), c.rewrite, c.lines);
  if (c.mounted) {
    Mount();
    if (c.rewrite == Rewrite::kReplace) {
      WARMFS_TEST_NEEDS(Need::kReplacedFiles);
    }
  }
  const std::string root = c.mounted ? Mnt() : Host();
  std::atomic<bool> stop = false;
  std::atomic<int> passes = 0, cut_short = 0;
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      const Reader reader(root + "/f", c.way);
      Judge judge(c.rewrite, c.lines);
      while (!stop && !HasFailure()) {
        const auto all = reader.Pass();
        if (!all) {
          ++cut_short;
          continue;
        }
        ASSERT_EQ(judge.Look(*all, writer.begun()), "") << "pass " << passes;
        ++passes;
      }
    });
  }
  std::mt19937 random(1);
  for (int g = 0; g < Generations() && !HasFailure(); ++g) {
    writer.Next();
    usleep(random() % 3 == 0 ? 0 : random() % 4000);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(passes, cut_short);
  EXPECT_EQ(cut_short, 0);
  if (!c.mounted) return;
  ASSERT_EQ(Execute({Program("warmfs"), "sync", Mnt()}).code, 0);
  EXPECT_EQ(ReadFile(Mnt("f")), ReadFile(Host("f")));
  struct stat here {
  }, there{};
  ASSERT_EQ(stat(Mnt("f").c_str(), &here), 0);
  ASSERT_EQ(stat(Host("f").c_str(), &there), 0);
  EXPECT_EQ(here.st_size, there.st_size);
  EXPECT_EQ(here.st_mtim.tv_sec, there.st_mtim.tv_sec);
  // Windows counts in 100 ns.
  const long unit = Unmet(Need::kNanoseconds, Mnt(), Host()).empty() ? 1 : 100;
  EXPECT_EQ(here.st_mtim.tv_nsec / unit, there.st_mtim.tv_nsec / unit);
}

std::vector<Case> Cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, Rewrite rewrite, Way way,
                       size_t lines) {
    for (bool mounted : {false, true}) {
      all.push_back({name, mounted, rewrite, way, lines});
    }
  };
  const auto sizes = [&](const char* few, const char* many, Rewrite rewrite,
                         Way way) {
    add(few, rewrite, way, kFew);
    add(many, rewrite, way, kMany);
  };
  sizes("InPlaceOpenedFew", "InPlaceOpenedMany", Rewrite::kInPlace,
        Way::kOpened);
  sizes("InPlaceHeldOpenFew", "InPlaceHeldOpenMany", Rewrite::kInPlaceHeldOpen,
        Way::kHeldOpen);
  sizes("InPlaceMappedFew", "InPlaceMappedMany", Rewrite::kInPlace,
        Way::kMapped);
  sizes("TruncateOpenedFew", "TruncateOpenedMany", Rewrite::kTruncate,
        Way::kOpened);
  sizes("TruncateHeldOpenFew", "TruncateHeldOpenMany", Rewrite::kTruncate,
        Way::kHeldOpen);
  sizes("ReplaceOpenedFew", "ReplaceOpenedMany", Rewrite::kReplace,
        Way::kOpened);
  sizes("AppendOpenedFew", "AppendOpenedMany", Rewrite::kAppend, Way::kOpened);
  sizes("AppendHeldOpenFew", "AppendHeldOpenMany", Rewrite::kAppend,
        Way::kHeldOpen);
  sizes("AppendMappedFew", "AppendMappedMany", Rewrite::kAppend, Way::kMapped);
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, TornReadTest, ::testing::ValuesIn(Cases()),
                         [](const auto& info) {
                           return std::string(info.param.mounted ? "Mounted"
                                                                 : "Local") +
                                  info.param.name;
                         });

}  // namespace
}  // namespace warmfs::testing
