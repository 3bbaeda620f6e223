#include "bench/example_tree.h"

#include <dirent.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

#include "bench/survey.h"
#include "bench/workspace.h"

namespace warmfs::bench {
namespace {

bool IsOfGit(const std::string& path) { return path.starts_with(".git"); }

std::map<std::string, std::string> Files(const std::string& root) {
  std::map<std::string, std::string> files;
  const auto survey = TakeSurvey(root);
  EXPECT_TRUE(survey.ok()) << survey.status();
  for (const std::string& path : survey->files) {
    if (IsOfGit(path)) continue;
    std::ifstream in(root + "/" + path);
    files[path] = {std::istreambuf_iterator<char>(in), {}};
  }
  return files;
}

TEST(ExampleTree, IsTheSameEachTime) {
  auto workspace = Workspace::Make();
  ASSERT_TRUE(workspace.ok()) << workspace.status();
  const std::string one = (*workspace)->directory() + "/one";
  const std::string two = (*workspace)->directory() + "/two";
  ASSERT_TRUE(MakeExampleTree(one, 100).ok());
  ASSERT_TRUE(MakeExampleTree(two, 100).ok());
  const auto files = Files(one);
  EXPECT_EQ(files.size(), 100);
  EXPECT_EQ(files, Files(two));
}

TEST(ExampleTree, HasTwentyFilesToADirectoryAndMixedSizes) {
  auto workspace = Workspace::Make();
  ASSERT_TRUE(workspace.ok()) << workspace.status();
  const std::string root = (*workspace)->directory() + "/tree";
  ASSERT_TRUE(MakeExampleTree(root, 400).ok());
  uint64_t directories = 0;
  ASSERT_TRUE(Walk(root, [&](const std::string& path, unsigned char type) {
                if (type == DT_DIR && !IsOfGit(path)) ++directories;
              }).ok());
  EXPECT_EQ(directories, 20);
  uint64_t empty = 0, large = 0;
  for (const auto& [path, content] : Files(root)) {
    empty += content.empty();
    large += content.size() > 16 * 1024;
    EXPECT_LE(content.size(), 64 * 1024);
  }
  EXPECT_GT(empty, 0);
  EXPECT_GT(large, 0);
}

TEST(ExampleTree, WhatCannotBeMadeIsAnError) {
  EXPECT_FALSE(MakeExampleTree("/proc/no-such-place", 5).ok());
}

}  // namespace
}  // namespace warmfs::bench
