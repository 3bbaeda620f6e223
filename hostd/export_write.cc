// Export's changes of content: write, allocate, copy.

#include <algorithm>
#include <memory>
#include <string>

#include "hostd/export.h"
#include "hostd/file.h"
#include "hostd/own_work.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr size_t kCopyBufferBytes = 1024 * 1024;

// For an append that may have been done, wholly or in part: how many bytes at
// the start of `data` are in the file from `offset` on; 0 if others are there.
size_t AlreadyThere(int fd, uint64_t offset, std::string_view data) {
  std::string found(data.size(), '\0');
  size_t size = 0;
  ReadAt(fd, offset, found.data(), found.size(), &size);
  found.resize(size);
  return data.substr(0, size) == found ? size : 0;
}

bool IsAllowedMode(int mode) {
  switch (mode) {
    case 0:
    case kFALLOC_FL_KEEP_SIZE:
    case kFALLOC_FL_PUNCH_HOLE | kFALLOC_FL_KEEP_SIZE:
    case kFALLOC_FL_ZERO_RANGE:
    case kFALLOC_FL_ZERO_RANGE | kFALLOC_FL_KEEP_SIZE:
      return true;
    default:
      return false;
  }
}

bool InRange(uint64_t offset, uint64_t length) {
  return offset <= INT64_MAX && length <= INT64_MAX - offset;
}

// For a pair of files between which the system does not copy by itself.
int CopyByHand(int from, uint64_t from_offset, int to, uint64_t to_offset,
               uint64_t length, uint64_t* copied) {
  const auto buffer = std::make_unique<char[]>(kCopyBufferBytes);
  while (*copied < length) {
    const size_t wanted =
        std::min<uint64_t>(kCopyBufferBytes, length - *copied);
    size_t read = 0, written = 0;
    int error =
        ReadAt(from, from_offset + *copied, buffer.get(), wanted, &read);
    if (error == 0 && read > 0) {
      error = WriteAt(to, to_offset + *copied, {buffer.get(), read}, &written);
    }
    *copied += written;
    if (error != 0) return *copied > 0 ? 0 : error;
    if (read < wanted || written < read) return 0;
  }
  return 0;
}

int CopyRange(int from, uint64_t from_offset, int to, uint64_t to_offset,
              uint64_t length, uint64_t* copied) {
  const int error =
      CopyWithin(from, from_offset, to, to_offset, length, copied);
  if (error != kEOPNOTSUPP) return error;
  return CopyByHand(from, from_offset, to, to_offset, length, copied);
}

bool Overlap(uint64_t a, uint64_t b, uint64_t length) {
  return a < b + length && b < a + length;
}

}  // namespace

WriteReply Export::Write(ClientState& client,
                         const WriteRequest& request) const {
  if (info_.read_only) return Failed<WriteReply>(kEROFS);
  if (request.data.size() > kMaxWriteBytes) return Failed<WriteReply>(kEINVAL);
  if (request.offset > INT64_MAX) return Failed<WriteReply>(kEINVAL);
  OwnWork own(watcher_.get(), client);
  Node node;
  UniqueFd fd, readable;
  int error = tree_.Find(client, request.node, &node);
  if (error == 0) error = tree_.OpenFile(client, node, Access::kWrite, &fd);
  if (error != 0) return Failed<WriteReply>(error);
  own.BeginOn(node.attr.id, request.node.path);
  size_t skip = 0;
  if (request.append && request.retry) {
    error = tree_.OpenFile(client, node, Access::kRead, &readable);
    if (error != 0) return Failed<WriteReply>(error);
    skip = AlreadyThere(readable.get(), request.offset, request.data);
  }
  WriteReply reply;
  const std::string_view data = request.data.substr(skip);
  size_t done = 0;
  reply.error = request.append && !data.empty()
                    ? AppendTo(fd.get(), data, &done)
                    : WriteAt(fd.get(), request.offset + skip, data, &done);
  if (reply.error != 0) return reply;
  reply.written = static_cast<uint32_t>(done + skip);
  fd.Reset();
  own.End();
  reply.node = ChangeOf(node);
  return reply;
}

ChangeReply Export::Allocate(ClientState& client,
                             const AllocateRequest& request) const {
  if (info_.read_only) return Failed<ChangeReply>(kEROFS);
  if (!IsAllowedMode(request.mode)) return Failed<ChangeReply>(kEOPNOTSUPP);
  if (!InRange(request.offset, request.length) || request.length == 0) {
    return Failed<ChangeReply>(kEINVAL);
  }
  OwnWork own(watcher_.get(), client);
  Node node;
  UniqueFd fd;
  int error = tree_.Find(client, request.node, &node);
  if (error == 0) error = tree_.OpenFile(client, node, Access::kWrite, &fd);
  if (error != 0) return Failed<ChangeReply>(error);
  own.BeginOn(node.attr.id, request.node.path);
  error = AllocateRange(fd.get(), request.mode, request.offset, request.length);
  if (error != 0) return Failed<ChangeReply>(error);
  fd.Reset();
  own.End();
  ChangeReply reply;
  reply.node = ChangeOf(node);
  return reply;
}

CopyReply Export::Copy(ClientState& client, const CopyRequest& request) const {
  if (info_.read_only) return Failed<CopyReply>(kEROFS);
  const uint64_t length = std::min(request.length, kMaxCopyBytes);
  if (!InRange(request.from_offset, length) ||
      !InRange(request.to_offset, length)) {
    return Failed<CopyReply>(kEINVAL);
  }
  OwnWork own(watcher_.get(), client);
  Node from, to;
  UniqueFd in, out;
  int error = tree_.Find(client, request.from, &from);
  if (error == 0) error = tree_.Find(client, request.to, &to);
  if (error == 0) error = tree_.OpenFile(client, from, Access::kRead, &in);
  if (error == 0) error = tree_.OpenFile(client, to, Access::kWrite, &out);
  if (out) own.BeginOn(to.attr.id, request.to.path);
  const bool same = from.attr.id == to.attr.id;
  if (error == 0 && same &&
      Overlap(request.from_offset, request.to_offset, length)) {
    error = kEINVAL;
  }
  if (error != 0) return Failed<CopyReply>(error);
  CopyReply reply;
  reply.error = CopyRange(in.get(), request.from_offset, out.get(),
                          request.to_offset, length, &reply.copied);
  if (reply.error != 0) return reply;
  out.Reset();
  own.End();
  reply.to = ChangeOf(to);
  return reply;
}

}  // namespace warmfs::hostd
