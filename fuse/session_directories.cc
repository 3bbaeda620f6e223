// Requests that list directories.
//
// The offset of an entry is its cookie, so it stays valid while the directory
// changes. "." and ".." come first, with offsets 1 and 2.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "fuse/session_internal.h"

namespace warmfs::fuse {
namespace {

// Packs entries into a reply of at most `size` bytes.
class Page {
 public:
  Page(fuse_req_t req, NodeId dir, size_t size, bool plus)
      : req_(req), fs_(Context(req).fs), dir_(dir), plus_(plus) {
    buffer_.resize(size);
  }

  // False if it does not fit any more.
  bool AddDot(const char* name, uint64_t cookie) {
    Entry entry;  // no node: the kernel does not look these up
    entry.attr.mode = S_IFDIR;
    // An inode number of 0 would hide the entry from readdir(3).
    entry.attr.ino = 1;
    return Append(name, entry, cookie);
  }

  bool Add(const DirItem& item, Instant fresh_at) {
    if (item.cookie != last_cookie_) StartGroup(item.cookie);
    Entry entry;
    if (plus_) {
      entry = fs_.Bind(dir_, item, fresh_at);
    } else {
      entry.attr = item.attr;
    }
    if (entry.attr.ino == 0) entry.attr.ino = 1;
    const NodeId bound = entry.node;
    if (Append(item.name.c_str(), entry, item.cookie)) {
      if (bound != 0) group_.push_back(bound);
      return true;
    }
    if (bound != 0) fs_.Forget(bound, 1);
    DropGroup();
    return false;
  }

  // -ENOENT: the kernel never got it.
  void Reply() { fuse_reply_buf(req_, buffer_.data(), used_); }

 private:
  bool Append(const char* name, const Entry& entry, uint64_t cookie) {
    const fuse_entry_param e = ToEntryParam(entry);
    char* at = buffer_.data() + used_;
    const size_t room = buffer_.size() - used_;
    const size_t n =
        plus_ ? fuse_add_direntry_plus(req_, at, room, name, &e, cookie)
              : fuse_add_direntry(req_, at, room, name, &e.attr, cookie);
    if (n > room) return false;
    used_ += n;
    return true;
  }

  // Names that share a cookie are given in one page or not at all: an offset
  // cannot point between them. Unless nothing else fits into the page.
  void StartGroup(uint64_t cookie) {
    last_cookie_ = cookie;
    group_start_ = used_;
    group_.clear();
  }

  void DropGroup() {
    if (group_start_ == 0) return;
    used_ = group_start_;
    for (NodeId node : group_) fs_.Forget(node, 1);
    group_.clear();
  }

  fuse_req_t req_;
  FileSystem& fs_;
  const NodeId dir_;
  const bool plus_;
  std::string buffer_;
  size_t used_ = 0;
  uint64_t last_cookie_ = 0;
  size_t group_start_ = 0;
  std::vector<NodeId> group_;
};

void List(fuse_req_t req, NodeId dir, size_t size, uint64_t after, bool plus) {
  FileSystem& fs = Context(req).fs;
  // The smallest entries: a header and an 8-byte name.
  const size_t limit = size / (plus ? 160 : 32) + 1;
  absl::StatusOr<DirPage> items =
      fs.ReadDir(Host(), dir, after <= 2 ? 0 : after, limit);
  if (!items.ok()) return ReplyStatus(req, items.status());
  Page page(req, dir, size, plus);
  bool room = true;
  if (after < 1) room = page.AddDot(".", 1);
  if (room && after < 2) room = page.AddDot("..", 2);
  for (const DirItem& item : items->items) {
    if (!room) break;
    room = page.Add(item, items->fresh_at);
  }
  page.Reply();
}

void ReadDir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
             fuse_file_info*) {
  Begin(req, Op::kReadDir);
  List(req, ino, size, offset, /*plus=*/false);
}

void ReadDirPlus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                 fuse_file_info*) {
  Begin(req, Op::kReadDirPlus);
  List(req, ino, size, offset, /*plus=*/true);
}

// ENOSYS: the kernel opens directories by itself from now on, and keeps their
// listings in its cache.
void OpenDir(fuse_req_t req, fuse_ino_t, fuse_file_info*) {
  Begin(req, Op::kOpenDir);
  fuse_reply_err(req, ENOSYS);
}

void FsyncDir(fuse_req_t req, fuse_ino_t ino, int data_only, fuse_file_info*) {
  FileSystem& fs = Begin(req, Op::kFsyncDir);
  ReplyStatus(req, fs.Sync(Host(), ino, data_only != 0));
}

}  // namespace

void AddDirectoryOperations(fuse_lowlevel_ops& ops) {
  ops.readdir = ReadDir;
  ops.readdirplus = ReadDirPlus;
  ops.opendir = OpenDir;
  ops.fsyncdir = FsyncDir;
}

}  // namespace warmfs::fuse
