// One asks, all are told.

#include "fuse/single_flight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace warmfs::fuse {
namespace {

constexpr FileId kKey = {1, 1}, kOther = {1, 2};

// A flight whose leader is within its work until it is let go.
class Leader {
 public:
  Leader(SingleFlight& flight, const FileId& key, absl::Status status)
      : thread_([this, &flight, key, status] {
          result_ = flight.Run(key, [&] {
            started_.Notify();
            go_on_.WaitForNotification();
            return status;
          });
        }) {
    started_.WaitForNotification();
  }
  absl::Status Finish() {
    go_on_.Notify();
    thread_.join();
    return result_;
  }

 private:
  absl::Notification started_, go_on_;
  absl::Status result_;
  std::thread thread_;
};

// Eight threads come while the leader is at work: how many of them were told
// its status. Those that came after its end have a flight of their own, whose
// outcome is another.
int CountTold(const absl::Status& status) {
  SingleFlight flight;
  Leader leader(flight, kKey, status);
  std::atomic<int> arrived{0}, late_runs{0}, told{0}, told_late{0};
  std::vector<std::thread> waiters;
  for (int i = 0; i < 8; ++i) {
    waiters.emplace_back([&] {
      ++arrived;
      const absl::Status got = flight.Run(kKey, [&] {
        ++late_runs;
        return absl::OkStatus();
      });
      ++(got == status ? told : told_late);
      EXPECT_TRUE(got == status || got.ok()) << got;
    });
  }
  while (arrived < 8) std::this_thread::yield();
  EXPECT_EQ(told + told_late + late_runs, 0) << "all wait for the leader";
  EXPECT_EQ(leader.Finish(), status);
  for (std::thread& w : waiters) w.join();
  EXPECT_LE(late_runs, told_late) << "who was told the status did not run";
  EXPECT_EQ(told_late > 0, late_runs > 0);
  return told;
}

TEST(SingleFlightTest, WaitersGetTheLeadersStatusAndDoNotRun) {
  int most = 0;
  for (int i = 0; i < 1'000 && most < 8; ++i) {
    most = std::max(most, CountTold(absl::UnavailableError("away")));
  }
  EXPECT_EQ(most, 8) << "never did all of them come in time";
}

TEST(SingleFlightTest, AWaiterThatHasJoinedNeverRuns) {
  for (int round = 0; round < 200; ++round) {
    SingleFlight flight;
    Leader leader(flight, kKey, absl::OkStatus());
    std::atomic<bool> ran{false};
    absl::Notification joining;
    std::thread waiter([&] {
      joining.Notify();
      EXPECT_TRUE(flight
                      .Run(kKey,
                           [&] {
                             ran = true;
                             return absl::OkStatus();
                           })
                      .ok());
    });
    joining.WaitForNotification();
    EXPECT_FALSE(ran) << "the leader is at work";
    EXPECT_TRUE(leader.Finish().ok());
    waiter.join();
  }
}

TEST(SingleFlightTest, OtherKeysDoNotWait) {
  SingleFlight flight;
  Leader leader(flight, kKey, absl::OkStatus());
  bool ran = false;
  EXPECT_TRUE(absl::IsNotFound(flight.Run(kOther, [&] {
    ran = true;
    return absl::NotFoundError("");
  })));
  EXPECT_TRUE(ran);
  EXPECT_TRUE(leader.Finish().ok());
}

TEST(SingleFlightTest, OneOfSeveralThingsTakesWhatNobodyIsAt) {
  SingleFlight flight;
  Leader leader(flight, kKey, absl::OkStatus());
  std::thread waiter;
  std::atomic<bool> ran{false};
  {
    SingleFlight::Several several(flight);
    EXPECT_FALSE(several.Add(kKey)) << "and does not wait";
    EXPECT_TRUE(several.Add(kOther));
    EXPECT_FALSE(several.Add(kOther));
    absl::Notification joining;
    waiter = std::thread([&] {
      joining.Notify();
      const absl::Status status = flight.Run(kOther, [&] {
        ran = true;
        return absl::OkStatus();
      });
      EXPECT_TRUE(ran || absl::IsUnavailable(status)) << status;
    });
    joining.WaitForNotification();
    EXPECT_FALSE(ran) << "somebody is at it";
    several.SetOutcome(absl::UnavailableError("away"));
  }
  waiter.join();
  EXPECT_TRUE(leader.Finish().ok());
  SingleFlight::Several again(flight);
  EXPECT_TRUE(again.Add(kKey));
  EXPECT_TRUE(again.Add(kOther));
}

TEST(SingleFlightTest, TheNextOneRunsAgain) {
  SingleFlight flight;
  int runs = 0;
  for (int i = 0; i < 5; ++i) {
    const absl::Status status = flight.Run(kKey, [&] {
      ++runs;
      return i % 2 == 0 ? absl::OkStatus() : absl::InternalError("");
    });
    EXPECT_EQ(status.ok(), i % 2 == 0) << "nothing is remembered";
  }
  EXPECT_EQ(runs, 5);
}

TEST(SingleFlightTest, WorkMayRunAnotherFlight) {
  SingleFlight flight;
  int depth = 0;
  EXPECT_TRUE(flight
                  .Run(kKey,
                       [&] {
                         ++depth;
                         return flight.Run(kOther, [&] {
                           ++depth;
                           return absl::OkStatus();
                         });
                       })
                  .ok());
  EXPECT_EQ(depth, 2);
}

}  // namespace
}  // namespace warmfs::fuse
