// What is fetched ahead: of readers the small files that follow in a directory,
// and in those beside it; of walkers the listings of directories to come.

#include <algorithm>
#include <cerrno>

#include "fuse/file_system.h"

namespace warmfs::fuse {
namespace {

// Collects small files, directory by directory, until there are enough. What
// the kernel knows is looked up in the tree, which is faster.
class Gathering {
 public:
  Gathering(const Tree& tree, cache::Cache& cache, uint64_t journal,
            Filter accept, size_t most, uint64_t bytes)
      : tree_(tree),
        cache_(cache),
        journal_(journal),
        accept_(accept),
        most_(most),
        to_look_at_(4 * most),
        bytes_(bytes) {}

  bool full() const {
    return full_ || files_.size() >= most_ || to_look_at_ == 0;
  }
  std::vector<Upcoming> Take() { return std::move(files_); }

  // Those in the directory, from the cookie `here` on and then those before it
  // (several readers at once do not keep to the order), and then those of the
  // directories in it whose listings are known to be true.
  void AddTree(const std::string& path, const FileId& dir, uint64_t here) {
    std::vector<std::pair<std::string, FileId>> directories;
    for (auto& [name, id] : EntriesOf(dir, here, to_look_at_)) {
      if (full()) return;
      --to_look_at_;
      const std::optional<Attr> attr = AttrOf(id);
      if (!attr) continue;
      std::string child = path.empty() ? name : path + "/" + name;
      if (attr->IsDirectory()) {
        directories.emplace_back(std::move(child), id);
      } else if (attr->IsRegular() && accept_(id)) {
        AddFile({std::move(child), id}, *attr);
      }
    }
    for (const auto& [child, id] : directories) {
      if (!full() && IsListed(id)) AddTree(child, id, 0);
    }
  }

 private:
  std::optional<Attr> AttrOf(const FileId& id) const {
    if (const auto known = tree_.GlanceAt(id)) return known->attr;
    const auto record = cache_.GetNode(id);
    return record ? std::optional(record->attr) : std::nullopt;
  }

  bool IsListed(const FileId& dir) const {
    if (journal_ == 0) return false;
    const auto known = tree_.GlanceAt(dir);
    if (known && known->leased) return true;
    const auto record = cache_.GetNode(dir);
    return record && record->listing_complete && record->lease == journal_;
  }

  std::vector<std::pair<std::string, FileId>> EntriesOf(const FileId& dir,
                                                        uint64_t here,
                                                        size_t most) {
    std::vector<std::pair<std::string, FileId>> names;
    const auto take = [&](const cache::EntryView& entry) {
      names.emplace_back(entry.name, entry.id);
      return names.size() < most;
    };
    cache_.ReadDir(dir, here, take);
    if (here == 0) return names;
    cache_.ReadDir(dir, 0, [&](const cache::EntryView& entry) {
      return names.size() < most && entry.cookie < here && take(entry);
    });
    return names;
  }

  void AddFile(NodeRef ref, const Attr& attr) {
    if (attr.size == 0 || attr.size > Prefetch::kAheadBytes) return;
    bytes_ += attr.size;
    full_ = bytes_ > Prefetch::kWholeBytes;
    if (!full_) files_.push_back({std::move(ref), attr});
  }

  const Tree& tree_;
  cache::Cache& cache_;
  const uint64_t journal_;
  const Filter accept_;
  const size_t most_;
  size_t to_look_at_;
  uint64_t bytes_;
  bool full_ = false;
  std::vector<Upcoming> files_;
};

void NoteListed(Scout& scout, cache::Cache& cache, const NodeRef& dir,
                const ListReply& page) {
  if (!page.unchanged) return scout.Listed(dir, page.entries);
  // Most file systems count subdirectories: here there are none.
  if (page.dir.nlink == 2) return;
  std::vector<DirEntry> held;
  cache.VisitEntries(dir.id, [&](const cache::EntryView& entry) {
    held.push_back({.name = std::string(entry.name), .attr = {.id = entry.id}});
    return held.size() < Scout::kMostKnown;
  });
  for (DirEntry& entry : held) {
    if (auto record = cache.GetNode(entry.attr.id)) entry.attr = record->attr;
  }
  scout.Listed(dir, held);
}

// Of what the kernel knows names of, a listing is taken in for good or not at
// all.
bool MayListAhead(const Tree& tree, const FileId& dir) {
  const auto view = tree.Look(tree.Find(dir));
  return !view || (!view->kernel_keeps_names && view->listing_at == 0);
}

bool MayTakeAhead(const Tree& tree, const ListReply& page, Stamp asked) {
  if (page.error != 0 || page.cursor != 0 || !page.leased) return false;
  if (tree.ForgotChangeSince(asked)) return false;
  const NodeId dir = tree.Find(page.dir.id);
  if (!MayListAhead(tree, page.dir.id) ||
      (dir != 0 && tree.ChangedSince(dir, asked))) {
    return false;
  }
  return std::none_of(page.entries.begin(), page.entries.end(),
                      [&](const DirEntry& entry) {
                        const NodeId node = tree.Find(entry.attr.id);
                        return node != 0 && tree.ChangedSince(node, asked);
                      });
}

}  // namespace

int FileSystem::ReadersAhead(const NodeView& file, uint64_t offset) {
  if (offset != 0 || file.placeless || file.attr.size > Prefetch::kWholeBytes) {
    return 0;
  }
  return prefetch_.FilesAhead(file.parent_id, file.attr.id, clock_.Now());
}

std::vector<Upcoming> FileSystem::Following(const NodeView& file, int most,
                                            Filter accept) {
  Gathering g(tree_, cache_, journal(), accept, static_cast<size_t>(most),
              file.attr.size);
  // Who reads on does so in the directories that come next, too: in this one,
  // beside it, and beside those that it is in.
  std::string name = file.name;
  for (auto dir = tree_.Look(file.parent); dir && !g.full();
       dir = tree_.Look(dir->parent)) {
    g.AddTree(dir->ref.path, dir->attr.id, cache::NameCookie(name));
    name = dir->name;
  }
  std::vector<Upcoming> files = g.Take();
  for (const Upcoming& next : files) prefetch_.Expect(next.attr.id);
  return files;
}

void FileSystem::WantAhead(const std::vector<Upcoming>& files,
                           SingleFlight::Several& ours,
                           std::vector<Wanted>& wanted) {
  for (const Upcoming& next : files) {
    // Looked at when nobody else is at it any more.
    if (!ours.Add(next.attr.id) || Holds(next.attr.id)) continue;
    Wanted& ahead = wanted.emplace_back();
    ahead.file.node = tree_.Find(next.attr.id);
    ahead.file.attr = next.attr;
    ahead.file.ref = ahead.spec.node = next.ref;
    ahead.spec.block_count =
        static_cast<uint32_t>((next.attr.size - 1) / kBlockBytes + 1);
  }
}

// --- listings ---

ListReply FileSystem::List(rpc::Channel& host, const ListRequest& request) {
  if (!request.lease || !options_.list_many) return host.List(request);
  scout_.Unforeseen(request.dir.id, clock_.Now());
  ListReply reply = host.List(request);
  NoteListed(scout_, cache_, request.dir, reply);
  return reply;
}

bool FileSystem::ListAhead(rpc::Channel& host) {
  // So that who comes to the first does not wait long for the others.
  constexpr uint32_t kMostEntries = 1024;
  ListManyRequest many{.dirs = {}, .most_entries = kMostEntries};
  Question question{.asked = tree_.Now(), .at = clock_.Now()};
  {
    absl::MutexLock lock(&apply_mu_);
    question.journal_turns = journal_turns_;
  }
  SingleFlight::Several ours(listings_);
  ours.SetOutcome(absl::CancelledError("listed ahead, or not: look again"));
  for (NodeRef& ref : scout_.Take()) {
    const auto record = cache_.GetNode(ref.id);
    const bool held = record && record->listing_complete;
    if ((held && record->lease == journal()) || !MayListAhead(tree_, ref.id) ||
        !ours.Add(ref.id)) {
      scout_.GaveUp(ref.id);
      continue;
    }
    many.dirs.push_back({std::move(ref), held ? record->digest : Digest(),
                         /*lease=*/true});
  }
  if (many.dirs.empty()) return false;
  ListManyReply reply = host.ListMany(many);
  if (reply.error != 0) reply.pages.clear();
  const size_t pages = std::min(reply.pages.size(), many.dirs.size());
  for (size_t i = 0; i < many.dirs.size(); ++i) {
    const NodeRef& dir = many.dirs[i].dir;
    if (i >= pages && pages > 0) {
      scout_.LeftOff(dir.id);
    } else if (pages == 0 || !TakeListingAhead(many.dirs[i], reply.pages[i],
                                               reply.pos, question)) {
      scout_.Refused(dir.id);
    }
  }
  return pages > 0;
}

// Into the cache only, under the lease that makes a new client believe what the
// one before it has left there (ResumeLease).
bool FileSystem::TakeListingAhead(const ListRequest& request, ListReply& page,
                                  const JournalPos& pos,
                                  const Question& question) {
  absl::MutexLock lock(&apply_mu_);
  // What an event has told since the host looked, the page may not know.
  const bool current = journal_turns_ == question.journal_turns &&
                       journal() != 0 && pos.journal_id == journal() &&
                       pos.sequence >= taken_in_;
  if (!current || page.dir.id != request.dir.id ||
      !MayTakeAhead(tree_, page, question.asked)) {
    return false;
  }
  InvalidatePages(tree_.Find(page.dir.id),
                  tree_.Apply(page.dir, question.asked, question.at));
  if (page.unchanged) {
    const auto record = cache_.GetNode(page.dir.id);
    if (!record || record->digest != request.known) return false;
    counters_.listings_confirmed.fetch_add(1, std::memory_order_relaxed);
    cache::Edit edit;
    edit.PutAttr(page.dir);
    edit.SetLease(page.dir.id, journal());
    cache_.Commit(std::move(edit));
  } else {
    counters_.listings_fetched.fetch_add(1, std::memory_order_relaxed);
    cache_.PutListing(page.dir, page.entries, page.digest, /*complete=*/true,
                      journal());
  }
  scout_.Came(page.dir.id);
  NoteListed(scout_, cache_, request.dir, page);
  return true;
}

}  // namespace warmfs::fuse
