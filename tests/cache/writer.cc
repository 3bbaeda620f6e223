#include "tests/cache/writer.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/cache/support.h"

extern char** environ;

namespace warmfs::cache {

std::vector<DirEntry> WriterListing(uint64_t dir, uint64_t step) {
  std::vector<DirEntry> entries;
  // The last directory is large: its listing does not fit one batch.
  const uint64_t count = dir == kWriterDirs ? 9000 : 3 + step % 50;
  for (uint64_t i = 0; i < count; ++i) {
    entries.push_back(
        FileEntry(std::to_string(i * (1 + step % 7)), dir * 100000 + i + step));
  }
  return entries;
}

Attr WriterAttr(uint64_t file, uint64_t step) {
  return step % 5 < 2 ? FileAttr(file, 0, step) : LargeAttr(file, step);
}

std::string WriterBytes(uint64_t file, uint64_t step) {
  return Bytes(step % 3 == 0 ? kBlockBytes : 100 * file, file, step);
}

Writer::Writer(const std::string& directory, uint64_t first_step) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::string program = CACHE_WRITER_PROGRAM;
  std::string dir = directory;
  std::string step = std::to_string(first_step);
  char* argv[] = {program.data(), dir.data(), step.data(), nullptr};
  if (posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ)) {
    std::abort();
  }
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  out_ = fdopen(ends[0], "r");
}

Writer::~Writer() { Kill(); }

std::optional<uint64_t> Writer::NextLine() {
  unsigned long long step = 0;
  if (std::fscanf(out_, "%llu", &step) != 1) return std::nullopt;
  return step;
}

void Writer::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  std::fclose(out_);
  pid_ = -1;
}

}  // namespace warmfs::cache
