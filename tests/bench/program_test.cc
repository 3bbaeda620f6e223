// The program as a user calls it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/subprocess.h"
#include "bench/workspace.h"

namespace warmfs::bench {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

Output Bench(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), BENCH_PROGRAM);
  auto output = Run({.argv = std::move(arguments)});
  EXPECT_TRUE(output.ok()) << output.status();
  return output.ok() ? *output : Output{};
}

TEST(Program, BadUsageIsOneClearErrorAndExitCode64) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{
           {},
           {"--tree", "5", "/tmp"},
           {"--tree", "0"},
           {"--runs", "0", "/tmp"},
           {"--ops", "fly", "/tmp"},
           {"--states", "lukewarm", "/tmp"},
           {"--large", "big", "/tmp"},
           {"/etc/passwd"},
           {"/"},
           {"--mount-options", "cache=/tmp/x", "--tree", "5"},
           {"--mount-options", "no-such-option", "--tree", "5"}}) {
    const Output output = Bench(arguments);
    EXPECT_EQ(output.exit_code, 64) << ::testing::PrintToString(arguments);
    EXPECT_FALSE(output.err.empty());
    EXPECT_EQ(output.out, "");
  }
}

TEST(Program, ADirectoryThatIsNotThereIsExitCode66) {
  const Output output = Bench({"/no/such/directory"});
  EXPECT_EQ(output.exit_code, 66);
  EXPECT_EQ(output.err,
            "warmfs-bench: /no/such/directory: No such file or directory\n");
}

TEST(Program, AFileThatCannotBeWrittenIsSaidBeforeAnythingIsMeasured) {
  const Output output = Bench({"--tree", "5", "--json", "/no/such/file"});
  EXPECT_EQ(output.exit_code, 73);
  EXPECT_THAT(output.err, HasSubstr("/no/such/file cannot be written"));
}

class OnAMount : public ::testing::Test {
 protected:
  void SetUp() override {
    if (access("/dev/fuse", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "no FUSE here";
    }
    auto workspace = Workspace::Make();
    ASSERT_TRUE(workspace.ok()) << workspace.status();
    workspace_ = *std::move(workspace);
  }
  std::string InWorkspace(const std::string& name) const {
    return workspace_->directory() + "/" + name;
  }

  std::unique_ptr<Workspace> workspace_;
};

TEST_F(OnAMount, AnExampleTreeIsMeasuredInEveryState) {
  const Output output =
      Bench({"--tree", "40", "--runs", "1", "--large", "1M", "--reads", "20",
             "--files", "5", "--edits", "20", "--no-drop-caches", "--json",
             InWorkspace("json"), "--chart", InWorkspace("chart")});
  EXPECT_EQ(output.exit_code, 0) << output.err << output.out;
  EXPECT_THAT(output.out, HasSubstr("warmfs remounted"));
  std::ifstream in(InWorkspace("json"));
  const auto json = nlohmann::json::parse(in);
  // Seven operations, or eight with git.
  EXPECT_EQ(json["series"].size(), 3 * json["native_median_seconds"].size());
  EXPECT_GE(json["series"].size(), 21);
  EXPECT_TRUE(fs::exists(InWorkspace("chart")));
  ASSERT_EQ(json["edits"].size(), 2);
  for (const auto& edits : json["edits"]) {
    EXPECT_EQ(edits["visible"]["seconds"].size(), 20);
    EXPECT_EQ(edits["event"]["seconds"].size(), 20);
    EXPECT_GT(edits["event"]["p50_seconds"], 0);
    EXPECT_EQ(edits["events_too_early"], 0);
  }
  EXPECT_EQ(json["edits"][1]["system"], "warmfs");
}

TEST_F(OnAMount, TheDirectoryIsAsItWasBefore) {
  const std::string directory = InWorkspace("source");
  fs::create_directories(directory + "/sub");
  std::ofstream(directory + "/sub/file") << "content";
  const Output output = Bench({"--runs", "1", "--large", "1M", "--files", "5",
                               "--edits", "5", "--no-drop-caches", directory});
  EXPECT_EQ(output.exit_code, 0) << output.err << output.out;
  EXPECT_THAT(output.out,
              HasSubstr("git-status: left out: not a git work tree"));
  std::vector<std::string> left;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    left.push_back(entry.path().lexically_relative(directory));
  }
  EXPECT_THAT(left, ::testing::UnorderedElementsAre("sub", "sub/file"));
}

TEST_F(OnAMount, AnEditThatNobodyTellsOfIsAFailureAndNotAFigure) {
  const Output output = Bench({"--tree", "5", "--ops", "edit", "--edits", "1",
                               "--mount-options", "freshness=check,ttl=600"});
  EXPECT_EQ(output.exit_code, 1) << output.err << output.out;
  EXPECT_THAT(output.out, HasSubstr("edit: left out: an edit was not seen"));
}

TEST_F(OnAMount, AnotherHostDaemonServesTheDirectory) {
  const auto bench = [](const std::string& host) {
    return Bench({"--tree", "20", "--ops", "walk", "--states", "cold", "--runs",
                  "1", "--host", host});
  };
  const auto hostd = fs::path(BENCH_PROGRAM).parent_path() / "warmfs-hostd";
  const Output output =
      bench("exec:" + hostd.string() + " --quiet --stdio --export default=");
  EXPECT_EQ(output.exit_code, 0) << output.err << output.out;
  EXPECT_THAT(output.out, HasSubstr("warmfs cold"));
  EXPECT_EQ(bench("exec:false ").exit_code, 69) << "nobody serves it";
}

TEST_F(OnAMount, OnAReadOnlyMountChangesAreLeftOutAndTheRestIsMeasured) {
  const std::string directory = InWorkspace("source");
  fs::create_directories(directory);
  std::ofstream(directory + "/file") << "content";
  const Output output =
      Bench({"--runs", "1", "--mount-options", "ro", "--files", "5", "--ops",
             "read,create", "--no-drop-caches", directory});
  EXPECT_EQ(output.exit_code, 0) << output.err << output.out;
  EXPECT_THAT(output.out, HasSubstr("read only"));
  EXPECT_THAT(output.out, HasSubstr("warmfs kernel-warm"));
}

}  // namespace
}  // namespace warmfs::bench
