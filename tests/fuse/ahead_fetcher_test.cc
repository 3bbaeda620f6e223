// Files come before their reader does, each once; who comes to one that is on
// its way waits for it.

#include "fuse/ahead_fetcher.h"

#include <fmt/format.h>

#include <thread>

#include "tests/fuse/fs_fixture.h"
#include "tests/rpc/proxy.h"

namespace warmfs::fuse {
namespace {

class AheadFetcherTest : public FileSystemTest {
 protected:
  static constexpr int kFiles = 40;

  AheadFetcherTest() {
    host_.MakeDir("d");
    for (int i = 0; i < kFiles; ++i) host_.Write(Path(i), Content(i));
    // What was just written may not be kept.
    for (int i = 0; i < kFiles; ++i) host_.Settle(Path(i));
    const NodeId dir = Find("d");
    for (const std::string& name : Names(dir)) {
      order_.push_back(Look(dir, name).node);
      content_.push_back(Content(std::stoi(name)));
    }
    ahead_remote_ =
        *rpc::Remote::Create(host_.RemoteOptionsFor(proxy_.endpoint()));
    fetcher_ = std::make_unique<AheadFetcher>(*fs_, *ahead_remote_);
  }

  static std::string Path(int i) { return fmt::format("d/{}", i); }
  static std::string Content(int i) { return fmt::format("of file {}", i); }
  bool Held(int place) {
    return cache_->HoldsContent(fs_->tree().Look(order_[place])->attr.id);
  }
  // Until the answers with these were taken in.
  void AwaitHeld(int first, int last) {
    for (int place = first; place <= last; ++place) {
      while (!Held(place)) std::this_thread::yield();
    }
  }
  uint64_t Questions() const {
    return ahead_remote_->stats().of(Method::kRead).calls;
  }

  rpc::Proxy proxy_{dir_ / "proxy", host_.endpoint()};
  // In the directory's order.
  std::vector<NodeId> order_;
  std::vector<std::string> content_;
  std::unique_ptr<rpc::Remote> ahead_remote_;
  std::unique_ptr<AheadFetcher> fetcher_;
};

TEST_F(AheadFetcherTest, TwiceAsManyAsAreWorthItAreHadTheNearerOnesFirst) {
  fetcher_->Add({order_[0], 12});
  AwaitHeld(1, 24);
  fetcher_.reset();
  EXPECT_FALSE(Held(25));
  EXPECT_FALSE(Held(0)) << "is his own";
  EXPECT_EQ(Questions(), 2u) << "of 16, and of the rest";
  for (int i = 1; i <= 24; ++i) EXPECT_EQ(Read(order_[i]), content_[i]);
  EXPECT_EQ(Calls(Method::kRead), 0u);
}

TEST_F(AheadFetcherTest, AReaderIsNotLookedAtAgainBeforeHeHasComeHalfWay) {
  fetcher_->Add({order_[0], 8});
  AwaitHeld(1, 16);
  fetcher_->Add({order_[8], 8});   // the eighth of sixteen
  fetcher_->Add({order_[16], 8});  // the last
  AwaitHeld(17, 32);
  fetcher_.reset();
  EXPECT_EQ(Questions(), 2u);
}

TEST_F(AheadFetcherTest, WhoComesToAFileOnItsWayWaitsForIt) {
  EXPECT_EQ(Read(order_[0]), content_[0]);
  fetcher_->Add({order_[0], 1});  // connects
  AwaitHeld(1, 2);
  proxy_.HoldReplies();
  fetcher_->Add({order_[2], 4});
  proxy_.AwaitHeld();
  std::thread reader([&] {
    rpc::Channel own(*remote_);
    const auto read = fs_->Read(own, order_[4], 0, 100);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->ToString(), content_[4]);
  });
  EXPECT_EQ(Read(order_[30]), content_[30]) << "is not one of those";
  proxy_.Release();
  reader.join();
  EXPECT_EQ(Calls(Method::kRead), 2u) << "of the first, and of the thirtieth";
}

TEST_F(AheadFetcherTest, ItEndsWhileTheHostDoesNotAnswer) {
  fetcher_->Add({order_[0], 1});
  AwaitHeld(1, 2);
  proxy_.HoldReplies();
  fetcher_->Add({order_[2], 4});
  proxy_.AwaitHeld();
  fetcher_.reset();
  EXPECT_EQ(Read(order_[4]), content_[4]) << "is fetched after all";
}

}  // namespace
}  // namespace warmfs::fuse
