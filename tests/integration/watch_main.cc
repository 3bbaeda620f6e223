// Watches a directory until a file "stop" is created in it, and says what it
// saw. For tests that must watch from within other namespaces.

#include <sys/inotify.h>

#include <cstdio>

#include "tests/integration/watcher.h"

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  warmfs::testing::Watcher watcher(argv[1]);
  std::puts("ready");
  std::fflush(stdout);
  if (!watcher.AwaitEvent(IN_CREATE, "stop")) return 1;
  std::fputs(ToString(watcher.TakeNormalised()).c_str(), stdout);
  return 0;
}
