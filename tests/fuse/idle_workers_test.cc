// Few workers wait, the others rest, and no request waits for a busy one while
// another rests.

#include "fuse/idle_workers.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "absl/time/clock.h"

namespace warmfs::fuse {
namespace {

// A worker that is told each step.
class Worker {
 public:
  explicit Worker(IdleWorkers& idle)
      : thread_([this, &idle] {
          const bool go_on = idle.Await();
          absl::MutexLock lock(&mu_);
          (go_on ? waits_ : ended_) = true;
        }) {}
  ~Worker() { thread_.join(); }

  bool waits() {
    absl::MutexLock lock(&mu_);
    return waits_;
  }
  void AwaitWaiting() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&waits_));
  }
  void AwaitEnd() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&ended_));
  }

 private:
  absl::Mutex mu_;
  bool waits_ = false;
  bool ended_ = false;
  std::thread thread_;
};

class IdleWorkersTest : public testing::Test {
 protected:
  std::unique_ptr<Worker> Waiting() {
    auto worker = std::make_unique<Worker>(idle_);
    worker->AwaitWaiting();
    return worker;
  }
  std::unique_ptr<Worker> Resting() {
    const size_t before = idle_.resting();
    auto worker = std::make_unique<Worker>(idle_);
    while (idle_.resting() == before) absl::SleepFor(absl::Milliseconds(1));
    return worker;
  }

  IdleWorkers idle_;
};

TEST_F(IdleWorkersTest, WhoCameLastIsWokenFirstAndOnlyWhenNobodyWaits) {
  const auto one = Waiting(), two = Waiting();
  const auto three = Resting(), four = Resting(), five = Resting();
  idle_.Taken();
  EXPECT_EQ(idle_.resting(), 3u);
  idle_.Taken();
  five->AwaitWaiting();
  EXPECT_EQ(idle_.resting(), 2u);
  idle_.Taken();
  four->AwaitWaiting();
  EXPECT_FALSE(three->waits());
  idle_.End();
  three->AwaitEnd();
}

TEST_F(IdleWorkersTest, AfterEachThatWasWokenOneMoreMayWait) {
  {
    const auto one = Waiting(), two = Waiting(), three = Resting();
    idle_.Taken();
    idle_.Taken();
    three->AwaitWaiting();
  }
  const auto four = Waiting(), five = Waiting(), six = Resting();
  idle_.End();
  six->AwaitEnd();
}

TEST_F(IdleWorkersTest, AndOneFewerAgainWhenItIsCalm) {
  {
    const auto one = Waiting(), two = Waiting(), three = Resting();
    idle_.Taken();
    idle_.Taken();
    three->AwaitWaiting();
  }
  for (int i = 0; i < 10 * IdleWorkers::kCalm; ++i) {
    ASSERT_TRUE(idle_.Await());
    idle_.Taken();
  }
  const auto four = Waiting(), five = Resting();
  idle_.End();
  five->AwaitEnd();
}

TEST_F(IdleWorkersTest, WhileOneIsHeldUpSomebodyWaits) {
  const auto one = Waiting(), two = Waiting();
  EXPECT_FALSE(idle_.Taken());
  EXPECT_FALSE(idle_.HeldUp());
  EXPECT_TRUE(idle_.Taken());
  const auto three = Waiting();
  EXPECT_TRUE(idle_.Taken());
  idle_.GoesOn();
  const auto four = Waiting();
  EXPECT_FALSE(idle_.Taken());
  EXPECT_TRUE(idle_.HeldUp());
  idle_.End();
}

TEST_F(IdleWorkersTest, WhoRestsIsWokenBeforeAnotherIsMade) {
  const auto one = Waiting(), two = Waiting(), three = Resting();
  EXPECT_FALSE(idle_.Taken());
  EXPECT_FALSE(idle_.HeldUp());
  EXPECT_FALSE(idle_.Taken());
  three->AwaitWaiting();
  EXPECT_FALSE(idle_.HeldUp());
  EXPECT_TRUE(idle_.Taken());
  idle_.End();
}

TEST_F(IdleWorkersTest, NobodyRestsAfterTheEnd) {
  const auto one = Waiting(), two = Waiting();
  idle_.End();
  EXPECT_FALSE(idle_.Await());
}

// As many requests as there are workers, none of which is done before all have
// been taken.
TEST_F(IdleWorkersTest, EachRequestFindsAWorker) {
  constexpr int kWorkers = 6;
  constexpr int kRounds = 500;
  absl::Mutex mu;
  std::deque<absl::Barrier*> requests;
  bool over = false;
  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&] {
      while (idle_.Await()) {
        absl::Barrier* request = nullptr;
        {
          absl::MutexLock lock(&mu);
          const auto any = [&] { return over || !requests.empty(); };
          mu.Await(absl::Condition(&any));
          if (requests.empty()) break;
          request = requests.front();
          requests.pop_front();
        }
        idle_.Taken();
        if (request->Block()) delete request;
      }
      idle_.End();
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    const int count = 1 + round % kWorkers;
    auto* const barrier = new absl::Barrier(count);
    absl::MutexLock lock(&mu);
    for (int i = 0; i < count; ++i) requests.push_back(barrier);
    const auto taken = [&] { return requests.empty(); };
    mu.Await(absl::Condition(&taken));
  }
  {
    absl::MutexLock lock(&mu);
    over = true;
  }
  for (std::thread& worker : workers) worker.join();
}

}  // namespace
}  // namespace warmfs::fuse
