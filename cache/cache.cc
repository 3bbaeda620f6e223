#include "cache/cache.h"

#include <utility>

#include "cache/impl.h"

namespace warmfs::cache {

absl::StatusOr<std::unique_ptr<Cache>> Cache::Open(CacheOptions options) {
  auto storage = Storage::Open(std::move(options));
  if (!storage.ok()) return storage.status();
  return std::unique_ptr<Cache>(
      new Cache(std::make_unique<Impl>(*std::move(storage))));
}

Cache::Cache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cache::~Cache() = default;

std::optional<NodeRecord> Cache::GetNode(const FileId& id) {
  return impl_->GetNode(id);
}
LookupResult Cache::Lookup(const FileId& dir, std::string_view name) {
  return impl_->Lookup(dir, name);
}
bool Cache::ReadDir(const FileId& dir, uint64_t after,
                    const std::function<bool(const EntryView&)>& visit) {
  return impl_->ReadDir(dir, after, visit);
}
void Cache::VisitEntries(const FileId& dir,
                         const std::function<bool(const EntryView&)>& visit) {
  impl_->VisitEntries(dir, visit);
}
void Cache::Commit(Edit edit) { impl_->Commit(edit.rep_->ops); }
void Cache::PutListing(const Attr& dir, absl::Span<const DirEntry> entries,
                       const Digest& digest, bool complete, uint64_t lease) {
  impl_->PutListing(dir, entries, {digest, lease}, complete);
}
void Cache::BeginListing(const Attr& dir) { impl_->BeginListing(dir); }
void Cache::SealListing(const Attr& dir, const Digest& digest, uint64_t lease) {
  impl_->SealListing(dir, {digest, lease});
}

void Cache::EndLeases() { impl_->EndLeases(); }

std::optional<Block> Cache::GetBlock(const FileId& id, uint64_t index) {
  return impl_->GetBlock(id, index);
}
void Cache::Expect(const FileId& id, uint64_t file_bytes, uint64_t first,
                   uint64_t last) {
  impl_->Expect(id, file_bytes, first, last);
}
void Cache::PutBlocks(absl::Span<const FileBlocks> files) {
  impl_->PutBlocks(files);
}
void Cache::PutBlocks(const Attr& attr, uint64_t first,
                      absl::Span<const std::string_view> blocks) {
  const FileBlocks file{attr, first, {blocks.begin(), blocks.end()}};
  impl_->PutBlocks({&file, 1});
}

bool Cache::HoldsContent(const FileId& id) { return impl_->HoldsContent(id); }
void Cache::AwaitRoom() { impl_->AwaitRoom(); }

JournalPos Cache::cursor() { return impl_->cursor(); }
const CacheOptions& Cache::options() const { return impl_->options(); }
Health Cache::health() const { return impl_->health(); }
Usage Cache::usage() { return impl_->usage(); }
Counters Cache::counters() const { return impl_->counters(); }
uint64_t Cache::Evict(uint64_t bytes) { return impl_->Evict(bytes); }
uint64_t Cache::EvictFile(const FileId& id) { return impl_->EvictFile(id); }
void Cache::Clear() { impl_->Clear(); }
uint64_t Cache::ContentBytes(const FileId& id) {
  return impl_->ContentBytes(id);
}
VerifyReport Cache::Verify(
    const std::function<void(std::string_view)>& on_bad) {
  return impl_->Verify(on_bad);
}
void Cache::Flush() { impl_->Flush(); }

}  // namespace warmfs::cache
