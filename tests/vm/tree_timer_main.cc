// tree-timer DIR: walks a tree (names and attributes), then reads all its
// files, in one thread, and prints the milliseconds of each:
//
//   walk 12.3 read 45.6 files 1000 bytes 4096000

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "schema/unique_fd.h"

namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since)
      .count();
}

[[noreturn]] void Fail(const std::string& path) {
  std::perror(("tree-timer: " + path).c_str());
  std::exit(1);
}

void Walk(const std::string& path, std::vector<std::string>& files) {
  DIR* const directory = opendir(path.c_str());
  if (directory == nullptr) Fail(path);
  std::vector<std::string> beneath;
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat attributes;
    const std::string full = path + "/" + name;
    if (lstat(full.c_str(), &attributes) != 0) Fail(full);
    if (S_ISDIR(attributes.st_mode)) beneath.push_back(full);
    if (S_ISREG(attributes.st_mode)) files.push_back(full);
  }
  closedir(directory);
  for (const std::string& next : beneath) Walk(next, files);
}

size_t Read(const std::string& path) {
  static char buffer[128 * 1024];
  const warmfs::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) Fail(path);
  size_t bytes = 0;
  ssize_t n;
  while ((n = read(file.get(), buffer, sizeof(buffer))) > 0) bytes += n;
  if (n < 0) Fail(path);
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: tree-timer DIR\n");
    return 64;
  }
  std::vector<std::string> files;
  const Clock::time_point walking = Clock::now();
  Walk(argv[1], files);
  const double walk_ms = Milliseconds(walking);
  const Clock::time_point reading = Clock::now();
  size_t bytes = 0;
  for (const std::string& file : files) bytes += Read(file);
  std::printf("walk %.3f read %.3f files %zu bytes %zu\n", walk_ms,
              Milliseconds(reading), files.size(), bytes);
  return 0;
}
