// Things that people and programs do to files, as lines of /bin/sh. Values.

#ifndef WARMFS_TESTS_INTEGRATION_SCENARIOS_H_
#define WARMFS_TESTS_INTEGRATION_SCENARIOS_H_

#include <string>
#include <vector>

namespace warmfs::testing {

struct Scenario {
  std::string name;
  // Done before anybody watches. All lines run in the directory that is
  // watched; $OUT is one beside it, on the same file system and not watched.
  std::string before;
  // Each is done to its end, then the watcher reads what there is (and begins
  // to watch the directories that have appeared) before the next one.
  std::vector<std::string> steps;
  // Watched by themselves too.
  std::vector<std::string> itself;
  // Not empty: why a mount cannot raise just the same.
  std::string differs;
};

const std::vector<Scenario>& Scenarios();
// Not empty: why a mount of a Windows host, or one in Wine, raises other events
// (docs/windows.md).
std::string NotOnWindows(const std::string& scenario);

}  // namespace warmfs::testing

#endif  // WARMFS_TESTS_INTEGRATION_SCENARIOS_H_
