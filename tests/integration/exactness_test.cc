// Events are exact: what a watcher in a mount sees of things done on the host
// is, watch by watch, what one on a local disk sees where the same is done.
//
// Each scenario is done twice on local directories, which must agree (or it
// could not tell anything), and once on the host of a mount.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "tests/integration/host_needs.h"
#include "tests/integration/mount_fixture.h"
#include "tests/integration/scenarios.h"
#include "tests/integration/watcher.h"

namespace warmfs::testing {
namespace {

namespace fs = std::filesystem;

class ExactnessTest : public MountTest,
                      public ::testing::WithParamInterface<Scenario> {
 protected:
  // Runs a line of the scenario in `dir`, whose $OUT is beside it.
  static void Do(const std::string& line, const std::string& dir) {
    const Output output = Shell("cd " + dir + " && export OUT=" + dir +
                                ".out && set -e && " + line);
    ASSERT_EQ(output.code, 0) << line << "\n" << output.text;
  }

  static void Prepare(const std::string& dir) {
    fs::create_directories(dir);
    fs::create_directories(dir + ".out");
    if (!GetParam().before.empty()) Do(GetParam().before, dir);
  }

  static void CollectNames(const std::string& dir,
                           std::set<std::string>& names) {
    for (const auto& entry : fs::recursive_directory_iterator(dir)) {
      names.insert(entry.path().filename());
    }
  }

  // Names that neither were there before nor are there after are programs' own
  // choice, often by chance.
  static std::string Compared(Recording recording,
                              const std::set<std::string>& lasting) {
    std::map<std::string, std::string> others;
    for (auto& [label, events] : recording) {
      for (Noticed& event : events) {
        if (event.name.empty() || lasting.contains(event.name)) continue;
        event.name =
            others
                .emplace(event.name,
                         "(temporary " + std::to_string(others.size()) + ")")
                .first->second;
      }
    }
    return ToString(recording);
  }

  // What a watcher at `watched` sees when the steps are done in `dir`.
  template <typename F>
  static std::string Record(const std::string& dir, const std::string& watched,
                            F fence) {
    std::set<std::string> lasting;
    CollectNames(dir, lasting);
    Watcher watcher(watched);
    for (const std::string& path : GetParam().itself) {
      watcher.WatchItself(path);
    }
    fence();
    watcher.Take();
    for (const std::string& step : GetParam().steps) {
      Do(step, dir);
      fence();
      watcher.Drain();
    }
    CollectNames(dir, lasting);
    return Compared(watcher.TakeNormalised(), lasting);
  }

  std::string RecordLocally(const std::string& name) {
    Prepare(Tmp(name));
    return Record(Tmp(name), Tmp(name), [] {});
  }

  // Of a host without modes of its own, names and content.
  std::string TreeOf(const std::string& dir) {
    const bool all = Unmet(Need::kOwnModes, Mnt(), Host()).empty();
    const std::string find = "find . -path ./.warmfs-host -prune -o ";
    const Output tree = Shell("cd " + dir + " && " + find + "-printf '%p %y " +
                              (all ? "%m %s %n " : "") + "%l\\n' | sort && " +
                              find + "-type f -exec md5sum {} + | sort");
    EXPECT_EQ(tree.code, 0) << tree.text;
    return tree.text;
  }
};

TEST_P(ExactnessTest, LocalDirectoriesAgree) {
  const std::string once = RecordLocally("once");
  EXPECT_FALSE(once.empty());
  EXPECT_EQ(once, RecordLocally("again"));
}

TEST_P(ExactnessTest, AMountAgreesWithALocalDirectory) {
  if (!GetParam().differs.empty()) GTEST_SKIP() << GetParam().differs;
  Prepare(Host());
  Mount();
  if (Status()["freshness"] != "lease") {
    GTEST_SKIP() << "no journal: nothing tells of the host's changes";
  }
  if (const std::string why = NotOnWindows(GetParam().name); !why.empty()) {
    if (!Unmet(Need::kOwnEvents, Mnt(), Host()).empty()) GTEST_SKIP() << why;
  }
  WalkAndRead(Mnt());
  const std::string local = RecordLocally("local");
  EXPECT_EQ(local, Record(Host(), Mnt(), [&] {
              const Output sync = Execute({Program("warmfs"), "sync", Mnt()});
              EXPECT_EQ(sync.code, 0) << sync.text;
            }));
  EXPECT_EQ(TreeOf(Host()), TreeOf(Mnt()));
}

INSTANTIATE_TEST_SUITE_P(All, ExactnessTest, ::testing::ValuesIn(Scenarios()),
                         [](const auto& info) { return info.param.name; });

}  // namespace

// What a failure prints.
void PrintTo(const Scenario& scenario, std::ostream* out) {
  *out << scenario.name;
}

}  // namespace warmfs::testing
