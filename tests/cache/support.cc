#include "tests/cache/support.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

namespace warmfs::cache {

namespace fs = std::filesystem;

CacheOptions OptionsFor(const std::string& directory) {
  CacheOptions options;
  options.directory = directory;
  options.identity = "export-1";
  options.root = kRoot;
  options.source = "unix:/run/hostd";
  options.export_name = "project";
  return options;
}

std::unique_ptr<Cache> MustOpen(CacheOptions options) {
  auto cache = Cache::Open(std::move(options));
  if (!cache.ok()) {
    std::fprintf(stderr, "%s\n", cache.status().ToString().c_str());
    std::abort();
  }
  return *std::move(cache);
}

Attr FileAttr(uint64_t number, uint64_t size, uint64_t generation) {
  Attr attr;
  attr.id = {7, number};
  attr.ino = number;
  attr.size = size;
  attr.mode = 0100644;
  attr.nlink = 1;
  attr.mtime = {static_cast<int64_t>(generation), 5};
  attr.ctime = {static_cast<int64_t>(generation), 6};
  return attr;
}

Attr LargeAttr(uint64_t number, uint64_t generation) {
  return FileAttr(number, uint64_t{4} << 20, generation);
}

Attr DirAttr(uint64_t number, uint64_t generation) {
  Attr attr = FileAttr(number, 4096, generation);
  attr.mode = 040755;
  return attr;
}

Attr LinkAttr(uint64_t number) {
  Attr attr = FileAttr(number);
  attr.mode = 0120777;
  return attr;
}

DirEntry FileEntry(std::string_view name, uint64_t number) {
  return {std::string(name), FileAttr(number), ""};
}

std::string Bytes(size_t bytes, uint64_t seed, uint64_t generation) {
  std::mt19937_64 random(seed * 1000003 + generation);
  std::string out;
  out.reserve(bytes + 8);
  while (out.size() < bytes) {
    const uint64_t word = random();
    out.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  out.resize(bytes);
  return out;
}

void PutBlock(Cache& cache, const Attr& attr, uint64_t index,
              std::string_view bytes) {
  cache.PutBlocks(attr, index, {&bytes, 1});
}

std::vector<std::string> Names(Cache& cache, const FileId& dir,
                               uint64_t after) {
  std::vector<std::string> names;
  const bool complete = cache.ReadDir(dir, after, [&](const EntryView& entry) {
    names.emplace_back(entry.name);
    return true;
  });
  if (!complete) return {"<incomplete>"};
  return names;
}

std::vector<std::string> Sorted(std::vector<std::string> names) {
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> Faults(Cache& cache) {
  std::vector<std::string> faults;
  cache.Verify([&](std::string_view line) { faults.emplace_back(line); });
  return faults;
}

std::string ContentPath(const std::string& directory, const Attr& attr) {
  const std::string name = attr.id.ToString();
  return directory + "/content/" + name.substr(name.size() - 2) + "/" + name;
}

std::vector<std::string> FilesEndingIn(const std::string& directory,
                                       std::string_view suffix) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string path = entry.path().string();
    if (path.ends_with(suffix)) paths.push_back(path);
  }
  return paths;
}

void FlipBytes(const std::string& path, uint64_t offset, uint64_t count) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  std::string bytes(count, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<size_t>(file.gcount()));
  for (char& c : bytes) c = static_cast<char>(~c);
  file.clear();
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace warmfs::cache
