// edit-watch FILE SECONDS: tells when an edit of the host is seen in the guest.
// It says "ready", then "read" once the file, which is opened and read again
// every millisecond, has other bytes, and "event" once inotify tells of the
// file. It ends with both, or when the time is over.

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "schema/unique_fd.h"

namespace {

using Clock = std::chrono::steady_clock;
using warmfs::UniqueFd;

[[noreturn]] void Fail(const char* what) {
  std::perror((std::string("edit-watch: ") + what).c_str());
  std::exit(1);
}

std::string Content(const char* path) {
  char buffer[256];
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  const ssize_t n = read(file.get(), buffer, sizeof(buffer));
  // An empty one is one in the midst of the edit.
  return n > 0 ? std::string(buffer, n) : "";
}

void Say(const char* what) {
  std::puts(what);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: edit-watch FILE SECONDS\n");
    return 64;
  }
  const UniqueFd inotify(inotify_init1(IN_CLOEXEC));
  if (inotify_add_watch(inotify.get(), argv[1], IN_MODIFY) < 0) Fail(argv[1]);
  const std::string before = Content(argv[1]);
  if (before.empty()) Fail(argv[1]);
  const auto end = Clock::now() + std::chrono::seconds(std::atoi(argv[2]));
  Say("ready");
  bool read = false;
  bool told = false;
  while (!(read && told) && Clock::now() < end) {
    pollfd polled = {inotify.get(), POLLIN, 0};
    constexpr int kPauseMs = 1;
    if (poll(&polled, told ? 0 : 1, kPauseMs) > 0) {
      told = true;
      Say("event");
    }
    if (read) continue;
    const std::string now = Content(argv[1]);
    read = !now.empty() && now != before;
    if (read) Say("read");
  }
  return 0;
}
