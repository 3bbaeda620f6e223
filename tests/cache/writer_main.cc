// Usage: cache_writer DIRECTORY FIRST_STEP. Writes until it is killed; prints
// each step that is done.

#include <cstdio>
#include <cstdlib>

#include "tests/cache/support.h"
#include "tests/cache/writer.h"

int main(int argc, char** argv) {
  using namespace warmfs::cache;
  if (argc != 3) return 2;
  const auto cache = MustOpen(OptionsFor(argv[1]));
  for (uint64_t step = std::strtoull(argv[2], nullptr, 10);; ++step) {
    const uint64_t dir = 1 + step % kWriterDirs;
    cache->PutListing(DirAttr(dir, step), WriterListing(dir, step),
                      WriterDigest(dir, step), true);
    const uint64_t file = 1 + step % kWriterFiles;
    PutBlock(*cache, WriterAttr(file, step), 0, WriterBytes(file, step));
    if (step % 11 == 0) cache->EvictFile(FileAttr(1 + step % 3).id);
    if (std::printf("%llu\n", static_cast<unsigned long long>(step)) < 0 ||
        std::fflush(stdout) != 0) {
      return 1;
    }
  }
}
