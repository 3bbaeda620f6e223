// Reading: from the cache where a block of the file's version is there, from
// the host otherwise, whole blocks at a time, with what is likely to be read
// next.
//
// A read never mixes two versions of a file: all of its blocks belong to one
// version, or come from one reply of the host, which the host has checked to be
// of one version as far as it can.

#include <xxhash.h>

#include <algorithm>
#include <cerrno>

#include "fuse/errors.h"
#include "fuse/file_system.h"

namespace warmfs::fuse {
namespace {

uint64_t LastBlockOf(const Attr& attr) {
  return attr.size == 0 ? 0 : (attr.size - 1) / kBlockBytes;
}

size_t ExpectedBytes(const Attr& attr, uint64_t index) {
  const uint64_t start = index * kBlockBytes;
  if (start >= attr.size) return 0;
  return std::min<uint64_t>(kBlockBytes, attr.size - start);
}

// One question at a time for each stretch of a file that is fetched at once.
FileId FlightKey(const FileId& id, uint64_t block) {
  return {id.hi, id.lo ^ (block / Prefetch::kWindowBlocks)};
}

void Store(BlockWriter& writer, const Attr& attr, const Blocks& blocks) {
  if (blocks.empty()) return;
  std::vector<BlockBytes> consecutive;
  for (const auto& [index, bytes] : blocks) consecutive.push_back(bytes);
  writer.Add(attr, blocks.begin()->first, std::move(consecutive));
}

}  // namespace

absl::StatusOr<BlockPieces> FileSystem::Read(rpc::Channel& host, NodeId node,
                                             uint64_t offset, size_t size) {
  drops_.MayHave(node, offset, size);
  absl::StatusOr<NodeView> file = FreshAttr(host, node);
  if (!file.ok()) return file.status();
  const int ahead = ReadersAhead(*file, offset);
  constexpr int kAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    if (offset >= file->attr.size || size == 0) return BlockPieces();
    const uint64_t end = std::min<uint64_t>(file->attr.size, offset + size);
    const Version before = file->attr.version();
    Blocks blocks;
    // The last attempt takes all from one reply, which is one version's.
    const bool alone = attempt == kAttempts;
    absl::Status status =
        ReadOnce(host, *file, offset / kBlockBytes, (end - 1) / kBlockBytes,
                 ahead, alone, blocks);
    if (!status.ok()) return status;
    // By now more may be known than the host had read then.
    const auto now = tree_.Look(node);
    const bool newest = !now || now->attr.version() == file->attr.version();
    if (alone || (newest && file->attr.version() == before)) {
      BlockPieces out = BlockPieces::Of(blocks, offset, size);
      tree_.NoteRead(node, file->attr.version(), out.size() == file->attr.size);
      if (ahead > 0) invalidations_.ahead({node, ahead});
      return out;
    }
    if (now) file = *now;
  }
}

absl::Status FileSystem::ReadOnce(rpc::Channel& host, NodeView& file,
                                  uint64_t first, uint64_t last, int ahead,
                                  bool alone, Blocks& blocks) {
  if (alone) return Fetch(host, file, first, last, ahead, blocks);
  if (last > first) cache_.Expect(file.attr.id, file.attr.size, first, last);
  bool hit = true;
  for (uint64_t index = first; index <= last; ++index) {
    if (TakeFromCache(file, index, blocks)) continue;
    hit = false;
    // Another thread may be fetching just this; then it is in the cache after.
    bool fetched = false;
    absl::Status status =
        fetches_.Run(FlightKey(file.attr.id, index), [&]() -> absl::Status {
          fetched = true;
          return Fetch(host, file, index, last, ahead, blocks);
        });
    if (!status.ok()) return status;
    if (fetched || TakeFromCache(file, index, blocks)) continue;
    status = Fetch(host, file, index, last, ahead, blocks);
    if (!status.ok()) return status;
  }
  (hit ? counters_.read_hits : counters_.read_misses)
      .fetch_add(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

bool FileSystem::TakeFromCache(const NodeView& file, uint64_t index,
                               Blocks& blocks) {
  if (blocks.contains(index)) return true;
  auto found = Held(file.attr.id, index);
  if (!found || !MayTake(file, index, *found)) return false;
  blocks[index] = std::move(found->bytes);
  return true;
}

std::optional<RecentBlocks::Block> FileSystem::Held(const FileId& file,
                                                    uint64_t index) {
  if (auto found = block_writer_.Find(file, index)) return found;
  if (block_writer_.IsDropping(file)) return std::nullopt;
  auto held = cache_.GetBlock(file, index);
  if (!held) return std::nullopt;
  return RecentBlocks::Block{
      held->version, held->racy,
      std::make_shared<const Buffer>(std::move(held->bytes))};
}

bool FileSystem::MayTake(const NodeView& file, uint64_t index,
                         const RecentBlocks::Block& block) const {
  if (block.version != file.attr.version() ||
      block.bytes->size() != ExpectedBytes(file.attr, index)) {
    return false;
  }
  // Read while the version could not be trusted: good for as long as any
  // unleased answer is, and then checked (Tree::NoteRacyRead). Under a lease an
  // event would have told of another change since then.
  const bool watched = file.racy_read_at != 0 && file.attr_fresh_at == kForever;
  return !block.racy || watched || Fresh(file.racy_read_at);
}

bool FileSystem::Holds(const FileId& file) {
  return block_writer_.Find(file, 0) || cache_.HoldsContent(file);
}

Wanted FileSystem::Want(const NodeView& file, uint64_t first, uint64_t last) {
  Wanted wanted{.file = file, .spec = {.node = file.ref}, .held = {}};
  wanted.spec.first_block = first;
  wanted.spec.block_count = static_cast<uint32_t>(last - first + 1);
  for (uint64_t index = first; index <= last; ++index) {
    auto block = Held(file.attr.id, index);
    wanted.spec.known_hashes.push_back(
        block ? XXH3_64bits(block->bytes->data(), block->bytes->size()) : 0);
    if (block) wanted.held[index] = std::move(block->bytes);
  }
  // Nothing known is said by an empty list.
  if (wanted.held.empty()) wanted.spec.known_hashes.clear();
  return wanted;
}

absl::Status FileSystem::Fetch(rpc::Channel& host, NodeView& file,
                               uint64_t first, uint64_t last, int ahead,
                               Blocks& blocks) {
  const bool whole = file.attr.size <= Prefetch::kWholeBytes;
  if (whole) {
    first = 0;
    last = LastBlockOf(file.attr);
  } else {
    const Prefetch::Span span = prefetch_.Blocks(file.attr.id, first, last);
    first = span.first;
    last = std::min(LastBlockOf(file.attr), span.last);
  }
  std::vector<Wanted> wanted;
  wanted.push_back(Want(file, first, last));
  absl::Status status;
  {
    SingleFlight::Several ahead_of_it(fetches_);
    if (whole && ahead > 0) {
      const auto lacks = [this](const FileId& id) { return !Holds(id); };
      WantAhead(Following(file, std::min(ahead, Prefetch::kWithOwn), lacks),
                ahead_of_it, wanted);
    }
    status = FetchWanted(host, wanted, ahead_of_it, blocks);
  }
  if (ToErrno(status) == ESTALE && Relocate(host, file).ok()) {
    absl::StatusOr<NodeView> now = Known(file.node);
    if (!now.ok()) return now.status();
    file = *std::move(now);
    return Fetch(host, file, first, last, ahead, blocks);
  }
  if (status.ok()) file = std::move(wanted[0].file);
  return status;
}

absl::Status FileSystem::FetchWanted(rpc::Channel& host,
                                     std::vector<Wanted>& wanted,
                                     SingleFlight::Several& others,
                                     Blocks& blocks) {
  ReadRequest request;
  for (const Wanted& w : wanted) request.files.push_back(w.spec);
  const Stamp asked = tree_.Now();
  const Instant at = clock_.Now();
  ReadReply reply = host.Read(request);
  if (reply.error == 0 && reply.files.empty()) reply.error = EIO;
  if (reply.error != 0) {
    others.SetOutcome(ErrnoError(reply.error));
    return ErrnoError(reply.error);
  }
  for (size_t i = reply.files.size(); i-- > 0;) {
    const FileRead& read = reply.files[i];
    if (read.error != 0 || i >= wanted.size()) continue;
    Blocks kept = Keep(wanted[i], reply.files[i], asked, at);
    if (read.stable && !read.attr.racy) {
      Store(block_writer_, read.attr, kept);
    }
    if (i > 0) continue;
    wanted[0].file.attr = read.attr;
    wanted[0].file.racy_read_at = read.attr.racy ? at : 0;
    for (auto& [index, bytes] : kept) blocks[index] = std::move(bytes);
  }
  // An event that came in meanwhile may have been about these very bytes, and
  // dropped what there was before them.
  for (const Wanted& w : wanted) {
    if (tree_.ChangedSince(w.file.node, asked)) DropBlocks(w.file.attr.id);
  }
  const int error = reply.files[0].error;
  return error == 0 ? absl::OkStatus() : ErrnoError(error);
}

void FileSystem::DropBlocks(const FileId& file) {
  block_writer_.Drop(file);
  cache_.EvictFile(file);
}

Blocks FileSystem::Keep(Wanted& wanted, FileRead& read, Stamp asked,
                        Instant at) {
  Blocks blocks;
  const uint64_t first = wanted.spec.first_block;
  for (size_t i = 0; i < read.blocks.size(); ++i) {
    BlockReply& block = read.blocks[i];
    BlockBytes bytes =
        block.unchanged
            ? wanted.held[first + i]
            : std::make_shared<const Buffer>(std::move(block.bytes));
    // A host that says so of what we have not is not believed.
    if (bytes == nullptr) break;
    blocks[first + i] = std::move(bytes);
  }
  const NodeId node = wanted.file.node;
  if (!read.attr.racy) {
    InvalidatePages(node, tree_.Apply(read.attr, asked, at));
    return blocks;
  }
  // The version does not tell these bytes from those of an event that may come
  // in just now.
  absl::MutexLock lock(&apply_mu_);
  if (tree_.ChangedSince(node, asked)) return blocks;
  if (read.stable) Store(block_writer_, read.attr, blocks);
  InvalidatePages(node, tree_.Apply(read.attr, asked, at));
  // After Apply, which forgets such a note when the version is new; and before
  // the kernel has the bytes, so that every later answer knows of it.
  tree_.NoteRacyRead(node, at);
  return blocks;
}

absl::StatusOr<uint64_t> FileSystem::WarmFile(rpc::Channel& host, NodeId node) {
  absl::StatusOr<NodeView> file = FreshAttr(host, node);
  if (!file.ok()) return file.status();
  if (!file->attr.IsRegular() || file->attr.size == 0) return 0;
  uint64_t fetched = 0;
  const uint64_t last = LastBlockOf(file->attr);
  for (uint64_t index = 0; index <= last; ++index) {
    Blocks blocks;
    if (TakeFromCache(*file, index, blocks)) continue;
    const uint64_t until = std::min(last, index + Prefetch::kWindowBlocks - 1);
    block_writer_.AwaitRoom();
    absl::Status status = Fetch(host, *file, index, until, /*ahead=*/0, blocks);
    if (!status.ok()) return status;
    for (auto& [i, bytes] : blocks) fetched += bytes->size();
  }
  return fetched;
}

absl::StatusOr<uint64_t> FileSystem::Seek(rpc::Channel& host, NodeId node,
                                          uint64_t offset, bool hole) {
  absl::StatusOr<NodeView> file = Known(node);
  if (!file.ok()) return file.status();
  const SeekReply reply =
      host.Seek({.node = file->ref, .offset = offset, .hole = hole});
  if (reply.error != 0) return ErrnoError(reply.error);
  return reply.offset;
}

}  // namespace warmfs::fuse
