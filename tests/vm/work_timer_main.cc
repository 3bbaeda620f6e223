// Times work in the guest, in milliseconds:
//
//   work-timer tree DIR
//     walks a tree (names and attributes), then reads all its files, in one
//     thread: walk 12.3 read 45.6 files 1000 bytes 4096000
//   work-timer run COMMAND
//     runs a shell command, its output left out: run 12.3 exit 0

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
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
  std::perror(("work-timer: " + path).c_str());
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

int Tree(const char* root) {
  std::vector<std::string> files;
  const Clock::time_point walking = Clock::now();
  Walk(root, files);
  const double walk_ms = Milliseconds(walking);
  const Clock::time_point reading = Clock::now();
  size_t bytes = 0;
  for (const std::string& file : files) bytes += Read(file);
  std::printf("walk %.3f read %.3f files %zu bytes %zu\n", walk_ms,
              Milliseconds(reading), files.size(), bytes);
  return 0;
}

int Run(const char* command) {
  const Clock::time_point began = Clock::now();
  const pid_t shell = fork();
  if (shell == 0) {
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", command, nullptr);
    _exit(127);
  }
  int status = 0;
  if (shell < 0 || waitpid(shell, &status, 0) != shell) Fail(command);
  std::printf("run %.3f exit %d\n", Milliseconds(began),
              WIFEXITED(status) ? WEXITSTATUS(status) : 128);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string work = argc == 3 ? argv[1] : "";
  if (work == "tree") return Tree(argv[2]);
  if (work == "run") return Run(argv[2]);
  std::fprintf(stderr, "usage: work-timer tree DIR | run COMMAND\n");
  return 64;
}
