// What the cache costs when warm: one look-up, one node, one block of 128 KiB,
// a listing; and how long a cache of many files takes to open.
//
// Runs on a directory of its own under the temporary directory; set TMPDIR to
// measure another disk.

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cache/cache.h"

namespace warmfs::cache {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kFilesPerDir = 100;
constexpr uint64_t kBlocks = 2048;  // 256 MiB: more than any cache of RocksDB's
constexpr FileId kBlockFile = {9, 9};

FileId DirId(uint64_t n) { return {1, n}; }
FileId FileIdOf(uint64_t n) { return {2, n * 0x9e3779b97f4a7c15}; }
std::string NameOf(uint64_t n) { return "file-" + std::to_string(n) + ".txt"; }

Attr AttrOf(const FileId& id, uint32_t mode) {
  Attr attr;
  attr.id = id;
  attr.size = 4321;
  attr.mode = mode;
  attr.mtime = attr.ctime = {1700000000, 5};
  return attr;
}

// A directory with a cache in it, gone at the end of the program.
class Place {
 public:
  Place() {
    path_ = (fs::temp_directory_path() / "warmfs-bench-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~Place() { fs::remove_all(path_); }
  std::unique_ptr<Cache> Open() const {
    CacheOptions options;
    options.directory = path_;
    options.identity = "bench";
    options.root = {1, 1};
    auto cache = Cache::Open(options);
    if (!cache.ok() || !(*cache)->health().persistent) std::abort();
    return *std::move(cache);
  }

 private:
  std::string path_;
};

void PutDir(Cache& cache, uint64_t dir) {
  std::vector<DirEntry> entries;
  for (uint64_t i = 0; i < kFilesPerDir; ++i) {
    const uint64_t n = dir * kFilesPerDir + i;
    entries.push_back({NameOf(n), AttrOf(FileIdOf(n), 0100644), ""});
  }
  cache.PutListing(AttrOf(DirId(dir), 040755), entries, {1, 1}, true);
}

// A cache of so many files, closed.
const Place& CacheOf(uint64_t files) {
  static auto& places = *new std::vector<std::pair<uint64_t, Place*>>;
  for (const auto& [count, place] : places) {
    if (count == files) return *place;
  }
  places.emplace_back(files, new Place);
  std::atexit([] {
    for (const auto& [count, place] : places) delete place;
    places.clear();
  });
  const auto cache = places.back().second->Open();
  for (uint64_t dir = 0; dir < files / kFilesPerDir; ++dir) {
    PutDir(*cache, dir);
    // Far faster than a host can list: without this, some would be dropped.
    if (dir % 200 == 0) cache->Flush();
  }
  if (cache->counters().dropped_edits > 0) {
    std::fprintf(
        stderr, "%llu edits dropped while filling\n",
        static_cast<unsigned long long>(cache->counters().dropped_edits));
  }
  return *places.back().second;
}

uint64_t Scatter(uint64_t i, uint64_t range) {
  return (i * 0x9e3779b97f4a7c15 >> 20) % range;
}

void BM_LookupPresent(benchmark::State& state) {
  const auto files = static_cast<uint64_t>(state.range(0));
  const auto cache = CacheOf(files).Open();
  uint64_t i = 0;
  for (auto _ : state) {
    const uint64_t n = Scatter(++i, files);
    const auto found = cache->Lookup(DirId(n / kFilesPerDir), NameOf(n));
    if (found.presence != Presence::kPresent) state.SkipWithError("missed");
  }
}
BENCHMARK(BM_LookupPresent)->Arg(10'000)->Arg(1'000'000);

void BM_LookupAbsent(benchmark::State& state) {
  const auto files = static_cast<uint64_t>(state.range(0));
  const auto cache = CacheOf(files).Open();
  uint64_t i = 0;
  for (auto _ : state) {
    const uint64_t n = Scatter(++i, files);
    const auto found = cache->Lookup(DirId(n / kFilesPerDir), "no-such-name");
    if (found.presence != Presence::kAbsent) state.SkipWithError("not absent");
  }
}
BENCHMARK(BM_LookupAbsent)->Arg(10'000)->Arg(1'000'000);

void BM_GetNode(benchmark::State& state) {
  const auto files = static_cast<uint64_t>(state.range(0));
  const auto cache = CacheOf(files).Open();
  uint64_t i = 0;
  for (auto _ : state) {
    if (!cache->GetNode(FileIdOf(Scatter(++i, files))).has_value()) {
      state.SkipWithError("missed");
    }
  }
}
BENCHMARK(BM_GetNode)->Arg(10'000)->Arg(1'000'000);

void BM_ReadDirOf100(benchmark::State& state) {
  const auto cache = CacheOf(10'000).Open();
  uint64_t i = 0;
  for (auto _ : state) {
    uint64_t entries = 0;
    cache->ReadDir(DirId(Scatter(++i, 100)), 0,
                   [&](const EntryView&) { return ++entries > 0; });
    if (entries != kFilesPerDir) state.SkipWithError("not complete");
  }
}
BENCHMARK(BM_ReadDirOf100);

void BM_PutListingOf100(benchmark::State& state) {
  const Place place;
  const auto cache = place.Open();
  uint64_t dir = 0;
  for (auto _ : state) PutDir(*cache, dir++);
  state.counters["dropped"] =
      static_cast<double>(cache->counters().dropped_edits);
}
BENCHMARK(BM_PutListingOf100)->Iterations(5000);

void BM_GetBlockOf128KiB(benchmark::State& state) {
  static const Place place;
  static const auto cache = [] {
    auto made = place.Open();
    std::string bytes(kBlockBytes, 'x');
    for (uint64_t i = 0; i < kBlocks; ++i) {
      for (size_t at = 0; at < bytes.size(); at += 64) bytes[at] = char(i + at);
      const std::string_view view = bytes;
      made->PutBlocks(AttrOf(kBlockFile, 0100644), i, {&view, 1});
      if (i % 64 == 0) made->Flush();
    }
    made->Flush();
    return made;
  }();
  uint64_t i = 0;
  for (auto _ : state) {
    auto block = cache->GetBlock(kBlockFile, Scatter(++i, kBlocks));
    if (!block.has_value()) state.SkipWithError("missed");
    benchmark::DoNotOptimize(block);
  }
  state.SetBytesProcessed(state.iterations() * int64_t{kBlockBytes});
}
BENCHMARK(BM_GetBlockOf128KiB)->ThreadRange(1, 2)->UseRealTime();

// As fast as one thread can; what the disk cannot take is dropped. Long enough
// that the memtables' room, about 40 MiB, does not make up the figure.
void BM_PutBlockOf128KiB(benchmark::State& state) {
  const Place place;
  const auto cache = place.Open();
  std::string bytes(kBlockBytes, 'x');
  uint64_t i = 0;
  for (auto _ : state) {
    bytes[i % bytes.size()] = static_cast<char>(i);
    const std::string_view view = bytes;
    cache->PutBlocks(AttrOf(kBlockFile, 0100644), i++, {&view, 1});
  }
  const auto dropped = static_cast<double>(cache->counters().dropped_edits);
  state.counters["dropped"] = dropped;
  state.counters["kept_bytes"] = benchmark::Counter(
      (static_cast<double>(i) - dropped) * kBlockBytes,
      benchmark::Counter::kIsRate, benchmark::Counter::kIs1024);
}
BENCHMARK(BM_PutBlockOf128KiB)->Iterations(100'000)->UseRealTime();

void BM_Open(benchmark::State& state) {
  const Place& place = CacheOf(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    auto cache = place.Open();
    state.PauseTiming();
    cache.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(BM_Open)
    ->Arg(10'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3);

}  // namespace
}  // namespace warmfs::cache
