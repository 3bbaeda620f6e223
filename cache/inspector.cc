#include "cache/inspector.h"

#include <fmt/format.h>

#include <vector>

#include "absl/strings/escaping.h"

namespace warmfs::cache {
namespace {

using nlohmann::json;

std::string_view KindName(const Attr& attr) {
  if (attr.IsDirectory()) return "directory";
  if (attr.IsRegular()) return "file";
  return attr.IsSymlink() ? "symlink" : "special";
}

json AttrJson(const Attr& attr) {
  return {{"id", attr.id.ToString()},
          {"kind", KindName(attr)},
          {"mode", fmt::format("{:04o}", attr.mode & 07777)},
          {"size", attr.size},
          {"mtime", {attr.mtime.sec, attr.mtime.nsec}},
          {"ctime", {attr.ctime.sec, attr.ctime.nsec}},
          {"ino", attr.ino},
          {"nlink", attr.nlink},
          {"uid", attr.uid},
          {"gid", attr.gid},
          {"racy", attr.racy}};
}

void Fail(const Emit& emit, const std::string& text) {
  emit({{"error", text}});
}

void Done(const Emit& emit) { emit({{"done", true}}); }

struct Child {
  std::string name;
  FileId id;
};

}  // namespace

std::optional<FileId> Inspector::Resolve(std::string_view path) {
  FileId id = cache_.options().root;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path = slash == path.npos ? "" : path.substr(slash + 1);
    if (name.empty() || name == ".") continue;
    const LookupResult found = cache_.Lookup(id, name);
    if (found.presence != Presence::kPresent) return std::nullopt;
    id = found.id;
  }
  return id;
}

void Inspector::Execute(const json& request, const Emit& emit) {
  const std::string command = request.value("command", "");
  if (command == "info") return Info(emit);
  if (command == "verify") return Verify(emit);
  if (command == "evict") return Evict(request, emit);
  if (command == "clear") {
    cache_.Clear();
    return Done(emit);
  }
  const std::string path = request.value("path", "");
  const std::optional<FileId> id = Resolve(path);
  if (!id) {
    return Fail(emit, fmt::format("'{}' is not in the cache; warmfs-cache warm "
                                  "brings it in",
                                  path));
  }
  if (command == "ls") return List(*id, emit);
  if (command == "stat") return Stat(*id, emit);
  if (command == "cat") return Cat(*id, emit);
  if (command == "du") return DiskUsage(*id, path, emit);
  Fail(emit, fmt::format("there is no command '{}'", command));
}

void Inspector::List(const FileId& id, const Emit& emit) {
  cache_.VisitEntries(id, [&](const EntryView& entry) {
    json line = {{"name", std::string(entry.name)}};
    if (auto node = cache_.GetNode(entry.id)) {
      line.update(AttrJson(node->attr));
    }
    line["cached"] = cache_.ContentBytes(entry.id);
    emit(line);
    return true;
  });
  auto node = cache_.GetNode(id);
  emit({{"done", true}, {"complete", node && node->listing_complete}});
}

void Inspector::Stat(const FileId& id, const Emit& emit) {
  auto node = cache_.GetNode(id);
  if (!node) return Fail(emit, "its attributes are not in the cache");
  json line = AttrJson(node->attr);
  line["listing_complete"] = node->listing_complete;
  json blocks = json::array();
  const uint64_t count = (node->attr.size + kBlockBytes - 1) / kBlockBytes;
  for (uint64_t i = 0; i < count && !node->attr.IsDirectory(); ++i) {
    auto block = cache_.GetBlock(id, i);
    if (!block) continue;
    blocks.push_back({{"index", i},
                      {"bytes", block->bytes.size()},
                      {"hash", fmt::format("{:016x}", block->hash)},
                      {"current", block->version == node->attr.version()},
                      {"racy", block->racy}});
  }
  line["blocks"] = blocks;
  line["blocks_of_file"] = count;
  emit(line);
  Done(emit);
}

void Inspector::Cat(const FileId& id, const Emit& emit) {
  auto node = cache_.GetNode(id);
  if (!node || !node->attr.IsRegular()) return Fail(emit, "not a file");
  for (uint64_t i = 0; i * kBlockBytes < node->attr.size; ++i) {
    auto block = cache_.GetBlock(id, i);
    if (!block || block->version != node->attr.version()) {
      return Fail(emit, fmt::format("block {} is not in the cache", i));
    }
    emit({{"base64",
           absl::Base64Escape({block->bytes.data(), block->bytes.size()})}});
  }
  Done(emit);
}

void Inspector::Walk(const FileId& top, bool evict, Sum& sum) {
  std::vector<FileId> todo = {top};
  while (!todo.empty()) {
    const FileId id = todo.back();
    todo.pop_back();
    auto node = cache_.GetNode(id);
    if (node && node->attr.IsDirectory()) {
      ++sum.directories;
      cache_.VisitEntries(id, [&](const EntryView& entry) {
        todo.push_back(entry.id);
        return true;
      });
      continue;
    }
    ++sum.files;
    sum.content_bytes += evict ? cache_.EvictFile(id) : cache_.ContentBytes(id);
    if (node) sum.size_bytes += node->attr.size;
  }
}

void Inspector::DiskUsage(const FileId& id, const std::string& path,
                          const Emit& emit) {
  auto report = [&](const FileId& of, const std::string& name) {
    Sum sum;
    Walk(of, /*evict=*/false, sum);
    emit({{"path", name},
          {"cached", sum.content_bytes},
          {"size", sum.size_bytes},
          {"files", sum.files},
          {"directories", sum.directories}});
  };
  std::vector<Child> directories;
  cache_.VisitEntries(id, [&](const EntryView& entry) {
    auto node = cache_.GetNode(entry.id);
    if (node && node->attr.IsDirectory()) {
      directories.push_back({std::string(entry.name), entry.id});
    }
    return true;
  });
  const std::string prefix = path.empty() ? "" : path + "/";
  for (const Child& child : directories) report(child.id, prefix + child.name);
  report(id, path.empty() ? "." : path);
  Done(emit);
}

void Inspector::Info(const Emit& emit) {
  const Usage usage = cache_.usage();
  const Counters counters = cache_.counters();
  const Health health = cache_.health();
  const CacheOptions& options = cache_.options();
  emit({{"directory", options.directory},
        {"source", options.source},
        {"export", options.export_name},
        {"persistent", health.persistent},
        {"reason", health.reason},
        {"content_bytes", usage.content_bytes},
        {"disk_bytes", usage.disk_bytes},
        {"max_bytes", usage.max_bytes},
        {"nodes", usage.nodes},
        {"entries", usage.entries},
        {"block_hits", counters.block_hits},
        {"block_misses", counters.block_misses},
        {"hash_mismatches", counters.hash_mismatches},
        {"evicted_files", counters.evicted_files},
        {"dropped_edits", counters.dropped_edits}});
  Done(emit);
}

void Inspector::Verify(const Emit& emit) {
  const VerifyReport report = cache_.Verify([&](std::string_view line) {
    emit({{"bad", std::string(line)}});
  });
  emit({{"blocks", report.blocks},
        {"bytes", report.bytes},
        {"bad_blocks", report.bad_blocks},
        {"bad_records", report.bad_records}});
  Done(emit);
}

void Inspector::Evict(const json& request, const Emit& emit) {
  uint64_t evicted = 0;
  if (request.contains("path")) {
    const std::string path = request.value("path", "");
    const std::optional<FileId> id = Resolve(path);
    if (!id) return Fail(emit, fmt::format("'{}' is not in the cache", path));
    Sum sum;
    Walk(*id, /*evict=*/true, sum);
    evicted = sum.content_bytes;
  } else {
    evicted = cache_.Evict(request.value("bytes", uint64_t{0}));
  }
  emit({{"evicted", evicted}});
  Done(emit);
}

}  // namespace warmfs::cache
