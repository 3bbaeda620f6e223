// Export's reading of content: blocks of many files, and where data is.

#include <utility>

#include "hostd/blocks.h"
#include "hostd/export.h"
#include "hostd/file.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

// How often a file that is being written to is read again before the reply says
// that it is not stable.
constexpr int kReadAttempts = 4;

// The blocks and the attributes that they were read under. The attributes from
// before are the ones to tell: they were racy for longer.
int ReadStable(const Tree& tree, int fd, const ReadSpec& spec,
               const ReadBudget& budget, BlocksRead* read, FileRead* out) {
  for (int i = 0; i < kReadAttempts && !out->stable; ++i) {
    const Attr before = out->attr;
    Attr after;
    int error = ReadBlocks(fd, before.size, spec, budget, read);
    if (error == 0) error = tree.attrs().Read(fd, &after);
    if (error != 0) return error;
    out->stable = after.version() == before.version();
    const bool last = i == kReadAttempts - 1;
    if (!out->stable && !last) out->attr = after;
  }
  return 0;
}

FileRead ReadFile(const Tree& tree, const ClientState& client,
                  const ReadSpec& spec, const ReadBudget& budget,
                  BlocksRead* read) {
  FileRead out;
  Node node;
  UniqueFd fd;
  out.error = tree.FindToRead(client, spec.node, &node);
  if (out.error == 0)
    out.error = tree.OpenFile(client, node, Access::kRead, &fd);
  if (out.error != 0) return out;
  out.attr = node.attr;
  out.error = ReadStable(tree, fd.get(), spec, budget, read, &out);
  if (out.error != 0) return Failed<FileRead>(out.error);
  out.blocks = std::move(read->blocks);
  if (out.blocks.size() * kBlockBytes < out.attr.size) {
    tree.Expect(std::move(node));
  }
  return out;
}

}  // namespace

ReadReply Export::Read(ClientState& client, const ReadRequest& request) const {
  ReadReply reply;
  ReadBudget budget;
  for (const ReadSpec& spec : request.files) {
    if (reply.files.size() >= kMaxReadFiles || budget.Empty()) break;
    BlocksRead read;
    read.left = budget;
    FileRead file = ReadFile(tree_, client, spec, budget, &read);
    // Nothing of it fits any more: the client asks again.
    if (read.cut && file.blocks.empty() && !reply.files.empty()) break;
    budget = read.left;
    reply.files.push_back(std::move(file));
  }
  return reply;
}

SeekReply Export::Seek(ClientState& client, const SeekRequest& request) const {
  if (request.offset > INT64_MAX) return Failed<SeekReply>(kENXIO);
  Node node;
  UniqueFd fd;
  int error = tree_.Find(client, request.node, &node);
  if (error == 0) error = tree_.OpenFile(client, node, Access::kRead, &fd);
  if (error != 0) return Failed<SeekReply>(error);
  SeekReply reply;
  reply.error = FindData(fd.get(), request.offset, request.hole, &reply.offset);
  return reply;
}

}  // namespace warmfs::hostd
