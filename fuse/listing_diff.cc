#include "fuse/listing_diff.h"

#include "fuse/decide.h"

namespace warmfs::fuse {

ListingDiff::ListingDiff(cache::Cache& cache, const FileId& dir)
    : cache_(cache) {
  std::vector<std::pair<std::string, FileId>> entries;
  const auto keep = [&](const cache::EntryView& entry) {
    entries.emplace_back(entry.name, entry.id);
    return true;
  };
  complete_ = cache_.ReadDir(dir, 0, keep);
  if (!complete_) cache_.VisitEntries(dir, keep);
  for (auto& [name, id] : entries) {
    const auto record = cache_.GetNode(id);
    held_[std::move(name)].attr = record ? record->attr : Attr{.id = id};
  }
}

void ListingDiff::Add(absl::Span<const DirEntry> entries) {
  for (const DirEntry& entry : entries) {
    const auto it = held_.find(entry.name);
    const Attr before = it == held_.end() ? Attr() : it->second.attr;
    if (it != held_.end()) it->second.seen = true;
    if (before.id != entry.attr.id) {
      names_.push_back(entry.name);
      added_.push_back({entry.name, before, entry});
    } else if (!SameAttr(before, entry.attr)) {
      changed_.push_back({entry.name, before, entry});
    }
  }
}

void ListingDiff::Finish() {
  for (const auto& [name, held] : held_) {
    if (held.seen) continue;
    names_.push_back(name);
    removed_.push_back({name, held.attr, {}});
  }
}

std::vector<Injection> ListingDiff::Injections(NodeId dir) const {
  std::vector<Injection> out;
  if (!complete_) return out;
  absl::flat_hash_map<FileId, const Pair*> gone;
  for (const Pair& pair : removed_) gone[pair.before.id] = &pair;
  const auto add = [&](InjectionKind kind, const std::string& name,
                       const Attr& object) -> Injection& {
    out.push_back({.kind = kind, .dir = dir, .name = name, .object = object});
    return out.back();
  };
  std::vector<const Pair*> created;
  for (const Pair& pair : added_) {
    const auto it = gone.find(pair.after.attr.id);
    if (it == gone.end()) {
      created.push_back(&pair);
      continue;
    }
    Injection& move =
        add(InjectionKind::kRename, it->second->name, it->second->before);
    move.to_dir = dir;
    move.to_name = pair.name;
    move.replaced = pair.before;
    gone.erase(it);
  }
  for (const Pair& pair : removed_) {
    if (!gone.contains(pair.before.id)) continue;
    // Of which nothing but the name was known: it is raised as a file.
    add(InjectionKind::kDelete, pair.name, pair.before);
  }
  for (const Pair* pair : created) {
    const Attr& attr = pair->after.attr;
    if (!pair->before.id.IsNull()) {
      // Something else took its place, as an atomic save does.
      Injection& in = add(InjectionKind::kMoveIn, pair->name, attr);
      in.replaced = pair->before;
      continue;
    }
    add(InjectionKind::kCreate, pair->name, attr).target = pair->after.target;
    if (attr.IsRegular()) add(InjectionKind::kCloseWrite, pair->name, attr);
  }
  for (const Pair& pair : changed_) {
    const Attr& attr = pair.after.attr;
    const bool content = attr.IsRegular() && (pair.before.size != attr.size ||
                                              pair.before.mtime != attr.mtime);
    if (content) {
      add(InjectionKind::kModify, pair.name, attr);
      add(InjectionKind::kCloseWrite, pair.name, attr);
    } else if (!attr.IsDirectory() || pair.before.mode != attr.mode ||
               pair.before.uid != attr.uid || pair.before.gid != attr.gid) {
      add(InjectionKind::kAttributes, pair.name, attr);
    }
  }
  return out;
}

}  // namespace warmfs::fuse
