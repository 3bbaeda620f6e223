// Records what inotify tells of a directory, as watching programs do: every
// directory beneath it is watched, and one that appears is watched as soon as
// its event is read; files can be watched by themselves too.
//
// What is recorded is a list for each watch. To compare two of them,
// Normalised: OPEN, ACCESS and CLOSE_NOWRITE are left out, neighbours that are
// alike are one (inotify merges them too, if they wait in its queue together),
// and cookies are numbered by their first appearance.
//
// Belongs to one thread.

#ifndef WARMFS_TESTS_INTEGRATION_WATCHER_H_
#define WARMFS_TESTS_INTEGRATION_WATCHER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "schema/unique_fd.h"

namespace warmfs::testing {

struct Noticed {
  uint32_t mask = 0;
  uint32_t cookie = 0;
  std::string name;

  bool operator==(const Noticed&) const = default;
};

// "MOVED_FROM,ISDIR #1 name".
std::string ToString(const Noticed& event);

// By what the watch was on, relative to the root: "" for the root itself, and
// "=path" for a file watched by itself.
using Recording = std::map<std::string, std::vector<Noticed>>;

// One event a line, for messages and comparisons.
std::string ToString(const Recording& recording);

class Watcher {
 public:
  explicit Watcher(const std::string& root);

  // Watches a file, or a directory, by itself: as path "=path".
  void WatchItself(const std::string& path);

  // Reads what has been queued so far.
  void Drain();
  // Drains until the recording has an event of this kind and name, at most 10
  // s; false if it never comes.
  bool AwaitEvent(uint32_t mask, const std::string& name);

  Recording Take();
  Recording TakeNormalised();

 private:
  void WatchTree(const std::string& path);
  void Add(const std::string& path, const std::string& label);
  void Note(const Noticed& event, int watch);

  const std::string root_;
  UniqueFd fd_;
  std::map<int, std::string> labels_;
  Recording recording_;
};

Recording Normalised(const Recording& recording);

}  // namespace warmfs::testing

#endif  // WARMFS_TESTS_INTEGRATION_WATCHER_H_
