// Export's changes of content: write, allocate, copy.

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

#include "hostd/export.h"
#include "hostd/own_work.h"

namespace warmfs::hostd {
namespace {

constexpr size_t kCopyBufferBytes = 1024 * 1024;

// Writes until all is written or an error stops it; an error after some bytes
// is told by the number of bytes, as write(2) does.
int WriteAt(int fd, uint64_t offset, std::string_view data, uint32_t* written) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = pwrite(fd, data.data() + done, data.size() - done,
                             static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && done == 0) return errno;
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  *written = static_cast<uint32_t>(done);
  return 0;
}

// One call, since another writer may append between two. RWF_APPEND and not
// O_APPEND: the descriptor may be one that was kept from before.
int Append(int fd, std::string_view data, uint32_t* written) {
  const iovec part{const_cast<char*>(data.data()), data.size()};
  const ssize_t n = pwritev2(fd, &part, 1, 0, RWF_APPEND);
  if (n < 0) return errno;
  *written = static_cast<uint32_t>(n);
  return 0;
}

// For an append that may have been done, wholly or in part: how many bytes at
// the start of `data` are in the file from `offset` on; 0 if others are there.
size_t AlreadyThere(int fd, uint64_t offset, std::string_view data) {
  std::string found(data.size(), '\0');
  const ssize_t n =
      pread(fd, found.data(), found.size(), static_cast<off_t>(offset));
  if (n <= 0) return 0;
  found.resize(static_cast<size_t>(n));
  return data.substr(0, found.size()) == found ? found.size() : 0;
}

bool IsAllowedMode(int mode) {
  switch (mode) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
      return true;
    default:
      return false;
  }
}

bool InRange(uint64_t offset, uint64_t length) {
  return offset <= INT64_MAX && length <= INT64_MAX - offset;
}

// For a pair of files between which the kernel does not copy by itself.
int CopyByHand(int from, uint64_t from_offset, int to, uint64_t to_offset,
               uint64_t length, uint64_t* copied) {
  const auto buffer = std::make_unique<char[]>(kCopyBufferBytes);
  while (*copied < length) {
    const size_t wanted =
        std::min<uint64_t>(kCopyBufferBytes, length - *copied);
    const ssize_t n = pread(from, buffer.get(), wanted,
                            static_cast<off_t>(from_offset + *copied));
    if (n < 0) return *copied > 0 ? 0 : errno;
    if (n == 0) return 0;
    uint32_t written = 0;
    const int error = WriteAt(to, to_offset + *copied,
                              {buffer.get(), static_cast<size_t>(n)}, &written);
    if (error != 0) return *copied > 0 ? 0 : error;
    *copied += written;
    if (written < static_cast<size_t>(n)) return 0;
  }
  return 0;
}

int CopyRange(int from, uint64_t from_offset, int to, uint64_t to_offset,
              uint64_t length, uint64_t* copied) {
  while (*copied < length) {
    off_t in = static_cast<off_t>(from_offset + *copied);
    off_t out = static_cast<off_t>(to_offset + *copied);
    const ssize_t n = copy_file_range(from, &in, to, &out, length - *copied, 0);
    if (n == 0) return 0;
    if (n > 0) {
      *copied += static_cast<uint64_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (*copied > 0) return 0;
    const bool unable = errno == EXDEV || errno == EINVAL ||
                        errno == EOPNOTSUPP || errno == ENOSYS;
    if (!unable) return errno;
    return CopyByHand(from, from_offset, to, to_offset, length, copied);
  }
  return 0;
}

bool Overlap(uint64_t a, uint64_t b, uint64_t length) {
  return a < b + length && b < a + length;
}

}  // namespace

WriteReply Export::Write(ClientState& client,
                         const WriteRequest& request) const {
  if (info_.read_only) return Failed<WriteReply>(EROFS);
  if (request.data.size() > kMaxWriteBytes) return Failed<WriteReply>(EINVAL);
  if (request.offset > INT64_MAX) return Failed<WriteReply>(EINVAL);
  OwnWork own(watcher_.get(), client);
  Node node;
  UniqueFd fd, readable;
  int error = tree_.Find(client, request.node, &node);
  if (error == 0) error = tree_.OpenFile(client, node, O_WRONLY, &fd);
  if (error != 0) return Failed<WriteReply>(error);
  own.BeginOn(node.attr.id, request.node.path);
  size_t skip = 0;
  if (request.append && request.retry) {
    error = tree_.OpenFile(client, node, O_RDONLY, &readable);
    if (error != 0) return Failed<WriteReply>(error);
    skip = AlreadyThere(readable.get(), request.offset, request.data);
  }
  WriteReply reply;
  const std::string_view data = request.data.substr(skip);
  reply.error =
      request.append && !data.empty()
          ? Append(fd.get(), data, &reply.written)
          : WriteAt(fd.get(), request.offset + skip, data, &reply.written);
  if (reply.error != 0) return reply;
  reply.written += static_cast<uint32_t>(skip);
  reply.node = ChangeOf(node);
  return reply;
}

ChangeReply Export::Allocate(ClientState& client,
                             const AllocateRequest& request) const {
  if (info_.read_only) return Failed<ChangeReply>(EROFS);
  if (!IsAllowedMode(request.mode)) return Failed<ChangeReply>(EOPNOTSUPP);
  if (!InRange(request.offset, request.length) || request.length == 0) {
    return Failed<ChangeReply>(EINVAL);
  }
  OwnWork own(watcher_.get(), client);
  Node node;
  UniqueFd fd;
  int error = tree_.Find(client, request.node, &node);
  if (error == 0) error = tree_.OpenFile(client, node, O_WRONLY, &fd);
  if (error != 0) return Failed<ChangeReply>(error);
  own.BeginOn(node.attr.id, request.node.path);
  if (fallocate(fd.get(), request.mode, static_cast<off_t>(request.offset),
                static_cast<off_t>(request.length)) != 0) {
    return Failed<ChangeReply>(errno);
  }
  ChangeReply reply;
  reply.node = ChangeOf(node);
  return reply;
}

CopyReply Export::Copy(ClientState& client, const CopyRequest& request) const {
  if (info_.read_only) return Failed<CopyReply>(EROFS);
  const uint64_t length = std::min(request.length, kMaxCopyBytes);
  if (!InRange(request.from_offset, length) ||
      !InRange(request.to_offset, length)) {
    return Failed<CopyReply>(EINVAL);
  }
  OwnWork own(watcher_.get(), client);
  Node from, to;
  UniqueFd in, out;
  int error = tree_.Find(client, request.from, &from);
  if (error == 0) error = tree_.Find(client, request.to, &to);
  if (error == 0) error = tree_.OpenFile(client, from, O_RDONLY, &in);
  if (error == 0) error = tree_.OpenFile(client, to, O_WRONLY, &out);
  if (out) own.BeginOn(to.attr.id, request.to.path);
  const bool same = from.attr.id == to.attr.id;
  if (error == 0 && same &&
      Overlap(request.from_offset, request.to_offset, length)) {
    error = EINVAL;
  }
  if (error != 0) return Failed<CopyReply>(error);
  CopyReply reply;
  reply.error = CopyRange(in.get(), request.from_offset, out.get(),
                          request.to_offset, length, &reply.copied);
  if (reply.error == 0) reply.to = ChangeOf(to);
  return reply;
}

}  // namespace warmfs::hostd
