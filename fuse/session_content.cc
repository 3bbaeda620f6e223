// Requests about the content of files.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/time/clock.h"
#include "fuse/early_end.h"
#include "fuse/session_internal.h"

namespace warmfs::fuse {
namespace {

void ReplyPieces(fuse_req_t req, const BlockPieces& content) {
  const std::vector<iovec>& pieces = content.pieces();
  fuse_reply_iov(req, pieces.data(), static_cast<int>(pieces.size()));
}

// With the file's end. False if the kernel takes the file to be longer by now.
bool ReplyEnd(fuse_req_t req, FileSystem& fs, NodeId node,
              const EarlyEnd& early, const BlockPieces& content) {
  fs.drops().BeginAnswer(node);
  const bool known = !early.Is(content.size());
  if (known) ReplyPieces(req, content);
  fs.drops().EndAnswer(node);
  return known;
}

// With an end that the kernel is to learn by it.
void ReplyNewEnd(fuse_req_t req, FileSystem& fs, NodeId node,
                 const EarlyEnd& early, const BlockPieces& content) {
  const bool alone = fs.drops().BeginBelieved(node);
  if (!alone || early.IsCrossed()) {
    fuse_reply_err(req, EINTR);
    if (alone) fs.drops().EndAnswer(node);
    return;
  }
  early.Accept(content.size());
  ReplyPieces(req, content);
  fs.drops().EndAnswer(node);
  early.DropAgain();
}

void Read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
          fuse_file_info* fi) {
  constexpr absl::Duration kPause = absl::Milliseconds(2);
  FileSystem& fs = Begin(req, Op::kRead);
  const EarlyEnd early(fs, ino, static_cast<uint64_t>(offset), size);
  // What is read directly has no page to fill.
  const bool direct = (fi->flags & O_DIRECT) != 0;
  const absl::Time limit = absl::Now() + EarlyEnd::kPatience;
  while (true) {
    absl::StatusOr<BlockPieces> content = fs.Read(Host(), ino, offset, size);
    if (!content.ok()) return ReplyStatus(req, content.status());
    if (direct) return ReplyPieces(req, *content);
    if (!early.Is(content->size()) || early.ShowAsItWas(*content)) {
      fs.drops().AwaitAbove(ino, early.last_page());
      if (content->size() == size) return ReplyPieces(req, *content);
      if (ReplyEnd(req, fs, ino, early, *content)) return;
    }
    if (early.IsReadAhead()) return (void)fuse_reply_err(req, EINTR);
    if (absl::Now() > limit) return ReplyNewEnd(req, fs, ino, early, *content);
    absl::SleepFor(kPause);
  }
}

void Write(fuse_req_t req, fuse_ino_t ino, const char* data, size_t size,
           off_t offset, fuse_file_info* fi) {
  FileSystem& fs = Begin(req, Op::kWrite);
  // Pages that were written through a mapping come with the flags of whatever
  // file was at hand; they belong where they are, not at the end.
  const bool append = (fi->flags & O_APPEND) != 0 && !fi->writepage;
  absl::StatusOr<size_t> written =
      fs.Write(Host(), ino, offset, {data, size}, append);
  if (!written.ok()) return ReplyStatus(req, written.status());
  fuse_reply_write(req, *written);
}

void Fsync(fuse_req_t req, fuse_ino_t ino, int data_only, fuse_file_info*) {
  FileSystem& fs = Begin(req, Op::kFsync);
  ReplyStatus(req, fs.Sync(Host(), ino, data_only != 0));
}

void Fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
               off_t length, fuse_file_info*) {
  FileSystem& fs = Begin(req, Op::kFallocate);
  ReplyStatus(req, fs.Allocate(Host(), ino, mode, offset, length));
}

void CopyFileRange(fuse_req_t req, fuse_ino_t in, off_t in_offset,
                   fuse_file_info*, fuse_ino_t out, off_t out_offset,
                   fuse_file_info*, size_t length, int flags) {
  FileSystem& fs = Begin(req, Op::kCopyFileRange);
  if (flags != 0) return (void)fuse_reply_err(req, EINVAL);
  // The reply holds 32 bits; the kernel asks again for the rest.
  length = std::min<size_t>(length, 1u << 30);
  absl::StatusOr<uint64_t> copied =
      fs.Copy(Host(), in, in_offset, out, out_offset, length);
  if (!copied.ok()) return ReplyStatus(req, copied.status());
  fuse_reply_write(req, *copied);
}

void Lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
           fuse_file_info*) {
  FileSystem& fs = Begin(req, Op::kLseek);
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    return (void)fuse_reply_err(req, EINVAL);
  }
  absl::StatusOr<uint64_t> found =
      fs.Seek(Host(), ino, offset, whence == SEEK_HOLE);
  if (!found.ok()) return ReplyStatus(req, found.status());
  fuse_reply_lseek(req, *found);
}

}  // namespace

void AddContentOperations(fuse_lowlevel_ops& ops) {
  ops.read = Read;
  ops.write = Write;
  ops.fsync = Fsync;
  ops.fallocate = Fallocate;
  ops.copy_file_range = CopyFileRange;
  ops.lseek = Lseek;
}

}  // namespace warmfs::fuse
