#include "hostd/listing.h"

#include <utility>

#include "absl/time/clock.h"
#include "hostd/file.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

// A file that somebody is working on may be replaced before it is read. There
// are few such files; in a tree that has just been made there seem to be many.
constexpr int kMostHot = 32;
constexpr absl::Duration kHotFor = absl::Seconds(10);

bool IsHot(const Attr& attr, absl::Time since) {
  return attr.IsRegular() && absl::FromUnixSeconds(attr.ctime.sec) > since;
}

}  // namespace

int Listing::Open(const Tree& tree, const Node& dir, Watcher* watcher,
                  std::unique_ptr<Listing>* out) {
  UniqueFd fd;
  if (const int error = tree.OpenDirectory(dir, &fd)) return error;
  // A directory that may be read but not searched has names, but no attributes.
  if (const int error = MaySearch(fd.get())) return error;
  out->reset(new Listing(tree, dir.attr, watcher, std::move(fd)));
  return 0;
}

int Listing::Restart() {
  digest_ = Digest();
  racy_ = incomplete_ = done_ = false;
  if (const int error = reader_.Rewind()) return error;
  return tree_.attrs().Read(reader_.fd(), &dir_);
}

int Listing::ReadAttr(DirEntry* entry) {
  const int dir = reader_.fd();
  const int error =
      tree_.attrs().ReadEntry(dir, entry->name, &entry->attr, &pin_);
  if (error != 0 || watcher_ == nullptr) return error;
  switch (watcher_->Cover(dir, {dir_.id, entry->name}, &entry->attr)) {
    case Covered::kGone:
      return kENOENT;
    case Covered::kRefused:
      covered_ = false;
      return 0;
    case Covered::kYes:
      return 0;
  }
  return 0;
}

int Listing::Describe(DirEntry* entry) {
  // A link that is replaced between the two calls is looked at once more.
  for (int i = 0; i < 2; ++i) {
    const int error = ReadAttr(entry);
    if (error != 0 || !entry->attr.IsSymlink()) return error;
    if (ReadTarget(reader_.fd(), entry->name, &entry->target) == 0) return 0;
  }
  return kENOENT;
}

int Listing::Next(DirEntry* entry) {
  while (true) {
    entry->target.clear();
    if (const int error = reader_.Next(&entry->name)) return error;
    if (entry->name.empty()) return 0;
    const int error = Describe(entry);
    if (error == 0) break;
    if (error != kENOENT) incomplete_ = true;
  }
  racy_ = racy_ || entry->attr.racy;
  digest_.Add(*entry);
  return 0;
}

int Listing::ReadPage(ListReply* reply) {
  reply->dir = dir_;
  size_t bytes = 0;
  int hot = 0;
  const absl::Time hot_since = absl::Now() - kHotFor;
  while (reply->entries.size() < kMaxListEntries && bytes < kMaxPageBytes) {
    DirEntry entry;
    if (const int error = Next(&entry)) return error;
    UniqueFd pin = std::move(pin_);
    if (entry.name.empty()) return Finish(reply);
    bytes += entry.name.size() + entry.target.size();
    if (hot < kMostHot && IsHot(entry.attr, hot_since)) {
      ++hot;
      tree_.Expect({std::move(pin), entry.attr});
    }
    reply->entries.push_back(std::move(entry));
  }
  return 0;
}

int Listing::Skim(ListReply* reply) {
  DirEntry entry;
  while (true) {
    if (const int error = Next(&entry)) return error;
    if (entry.name.empty()) return Finish(reply);
  }
}

int Listing::Finish(ListReply* reply) {
  done_ = true;
  Attr after;
  if (const int error = tree_.attrs().Read(reader_.fd(), &after)) return error;
  reply->consistent = !incomplete_ && after.version() == dir_.version();
  if (!racy_ && !incomplete_) reply->digest = digest_;
  return 0;
}

}  // namespace warmfs::hostd
