// Requests about the content of files.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"
#include "fuse/early_end.h"
#include "fuse/session_internal.h"

namespace warmfs::fuse {
namespace {

void Read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
          fuse_file_info* fi) {
  constexpr absl::Duration kPause = absl::Milliseconds(2);
  FileSystem& fs = Begin(req, Op::kRead);
  std::string& buffer = current_worker->buffer;
  const EarlyEnd early(fs, ino, static_cast<uint64_t>(offset), size);
  // What is read directly has no page to fill.
  const bool direct = (fi->flags & O_DIRECT) != 0;
  const absl::Time limit = absl::Now() + EarlyEnd::kPatience;
  bool shorter = false;
  while (true) {
    absl::Status status = fs.Read(Host(), ino, offset, size, buffer);
    if (!status.ok()) return ReplyStatus(req, status);
    if (direct || !early.Is(buffer.size()) || early.ShowAsItWas(buffer)) break;
    if (early.IsReadAhead()) return (void)fuse_reply_err(req, EINTR);
    shorter = absl::Now() > limit;
    if (shorter) break;
    absl::SleepFor(kPause);
  }
  if (!shorter) {
    if (!direct) fs.drops().AwaitAbove(ino, early.last_page());
    return (void)fuse_reply_buf(req, buffer.data(), buffer.size());
  }
  if (!fs.drops().BeginAnswer(ino)) return (void)fuse_reply_err(req, EINTR);
  early.Accept(buffer.size());
  fuse_reply_buf(req, buffer.data(), buffer.size());
  fs.drops().EndAnswer(ino);
  early.DropAgain();
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
