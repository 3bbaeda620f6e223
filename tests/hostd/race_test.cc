// The host swaps a directory, and a file, with symbolic links to what is
// outside, all the time that a client works on them.

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/hostd/export_fixture.h"

namespace warmfs::hostd {
namespace {

constexpr int kIterations = 5'000;
constexpr int kMostIterations = 500'000;

class RaceTest : public ExportTest {
 protected:
  // Exchanges two names until it is destroyed.
  class Swapper {
   public:
    Swapper(std::string a, std::string b)
        : a_(std::move(a)), b_(std::move(b)), thread_([this] { Run(); }) {}
    ~Swapper() {
      stop_ = true;
      thread_.join();
    }

   private:
    void Run() {
      while (!stop_) {
        if (renameat2(AT_FDCWD, a_.c_str(), AT_FDCWD, b_.c_str(),
                      RENAME_EXCHANGE) != 0) {
          return;
        }
      }
    }
    std::string a_, b_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
  };

  void SetUp() override {
    WriteHost("../outside/f", "secret");
    WriteHost("../outside/victim", "secret");
  }

  void ExpectOutsideUntouched() {
    EXPECT_EQ(ReadHost("../outside/f"), "secret");
    EXPECT_EQ(ReadHost("../outside/victim"), "secret");
    EXPECT_EQ(AttrOf(outside_ + "/f").mode & 07777, 0666u);
    const std::filesystem::directory_iterator names(outside_);
    EXPECT_EQ(std::distance(begin(names), end(names)), 2)
        << "something was created outside";
  }

  // Works until both outcomes were seen, and at least kIterations times.
  template <typename Work>
  void Repeat(Work work) {
    int done = 0, stale = 0;
    for (int i = 0; i < kMostIterations; ++i) {
      work() ? ++done : ++stale;
      if (i >= kIterations && done > 0 && stale > 0) break;
    }
    EXPECT_GT(done, 0) << "the race was never won";
    EXPECT_GT(stale, 0) << "the race was never lost";
  }
};

TEST_F(RaceTest, ADirectorySwappedWithALinkToTheOutside) {
  MakeDir("d");
  WriteHost("d/f", "inside");
  WriteHost("d/victim", "inside");
  const NodeRef dir = Ref("d"), file = Ref("d/f");
  MakeLink("../outside", "evil");
  {
    const Swapper swapper(Host("d"), Host("evil"));
    Repeat([&] {
      const int written = Write(file, 0, "written").error;
      EXPECT_THAT(written, testing::AnyOf(0, ESTALE));
      SetAttrRequest set;
      set.node = file;
      set.mode = 0600;
      export_->SetAttr(client_, set);
      CreateRequest create;
      create.dir = dir;
      create.name = "new";
      create.mode = S_IFREG | 0644;
      EXPECT_THAT(export_->Create(client_, create).error,
                  testing::AnyOf(0, ESTALE, EEXIST));
      RemoveRequest remove{dir, "new", false, false, false};
      export_->Remove(client_, remove);
      RenameRequest rename{dir, "victim", dir, "moved", 0, {}, false, false};
      export_->Rename(client_, rename);
      std::swap(rename.from_name, rename.to_name);
      export_->Rename(client_, rename);
      const ListReply list = export_->List(client_, cursors_, {dir, {}});
      EXPECT_THAT(list.error, testing::AnyOf(0, ESTALE));
      return written == 0;
    });
  }
  ExpectOutsideUntouched();
}

TEST_F(RaceTest, AFileSwappedWithALinkToTheOutside) {
  WriteHost("f", "inside!");
  const NodeRef file = Ref("f");
  MakeLink("../outside/f", "evil");
  {
    const Swapper swapper(Host("f"), Host("evil"));
    Repeat([&] {
      SetAttrRequest set;
      set.node = file;
      set.size = 7;
      set.mode = 0600;
      const int error = export_->SetAttr(client_, set).error;
      EXPECT_THAT(error, testing::AnyOf(0, ESTALE));
      Write(file, 0, "written");
      int read_error = 0;
      EXPECT_NE(Read(file, &read_error), "secret");
      CreateRequest open;
      open.dir = {"", export_->info().root};
      open.name = "f";
      open.mode = S_IFREG | 0644;
      open.exclusive = false;
      EXPECT_THAT(export_->Create(client_, open).error,
                  testing::AnyOf(0, EEXIST, ENOENT));
      export_->SetXattr(client_, {file, "user.a", "v", 0});
      return error == 0;
    });
  }
  ExpectOutsideUntouched();
}

}  // namespace
}  // namespace warmfs::hostd
