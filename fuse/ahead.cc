// What is read ahead of readers: the small files that follow in a directory.

#include "fuse/file_system.h"

namespace warmfs::fuse {

int FileSystem::ReadersAhead(const NodeView& file, uint64_t offset) {
  if (offset != 0 || file.placeless || file.attr.size > Prefetch::kWholeBytes) {
    return 0;
  }
  return prefetch_.FilesAhead(file.parent_id, clock_.Now());
}

std::vector<DirItem> FileSystem::Following(const NodeView& file, int most) {
  std::vector<std::pair<std::string, FileId>> names;
  const size_t look_at = 4 * static_cast<size_t>(most);
  const auto take = [&](const cache::EntryView& entry) {
    names.emplace_back(entry.name, entry.id);
    return names.size() < look_at;
  };
  const uint64_t here = cache::NameCookie(file.name);
  cache_.ReadDir(file.parent_id, here, take);
  // Several readers at once do not keep to the order.
  cache_.ReadDir(file.parent_id, 0, [&](const cache::EntryView& entry) {
    return names.size() < look_at && entry.cookie < here && take(entry);
  });
  std::vector<DirItem> files;
  uint64_t bytes = file.attr.size;
  for (auto& [name, id] : names) {
    if (files.size() == static_cast<size_t>(most)) break;
    const auto record = cache_.GetNode(id);
    if (!record || !record->attr.IsRegular() || record->attr.size == 0 ||
        record->attr.size > Prefetch::kAheadBytes) {
      continue;
    }
    bytes += record->attr.size;
    if (bytes > Prefetch::kWholeBytes) break;
    const uint64_t cookie = cache::NameCookie(name);
    files.push_back({std::move(name), cookie, record->attr});
  }
  return files;
}

void FileSystem::WantAhead(const NodeView& file, int most,
                           std::vector<Wanted>& wanted) {
  const std::optional<NodeView> dir = tree_.Look(file.parent);
  if (!dir) return;
  const std::string prefix = dir->ref.path.empty() ? "" : dir->ref.path + "/";
  for (const DirItem& item : Following(file, most)) {
    const Attr& attr = item.attr;
    NodeView next;
    next.node = tree_.Find(attr.id);
    next.attr = attr;
    next.ref = {prefix + item.name, attr.id};
    Wanted ahead = Want(next, 0, (attr.size - 1) / kBlockBytes);
    // Of whatever version: what is asked for ahead is what was never read.
    if (ahead.held.empty()) wanted.push_back(std::move(ahead));
  }
}

}  // namespace warmfs::fuse
