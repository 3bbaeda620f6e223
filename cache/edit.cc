#include "cache/edit.h"

#include "cache/codec.h"

namespace warmfs::cache {

using Kind = EditOp::Kind;

Edit::Edit() : rep_(std::make_unique<Rep>()) {}
Edit::~Edit() = default;
Edit::Edit(Edit&&) noexcept = default;

void Edit::PutAttr(const Attr& attr) {
  rep_->ops.push_back({Kind::kPutAttr, attr.id, {}, {}, attr});
}

void Edit::PutEntry(const FileId& dir, std::string_view name,
                    const FileId& id) {
  // A name that cannot be kept: then the directory's listing is not all.
  if (!IsEntryName(name)) return MarkIncomplete(dir);
  rep_->ops.push_back({Kind::kPutEntry, dir, id, std::string(name), {}});
}

void Edit::RemoveEntry(const FileId& dir, std::string_view name) {
  if (!IsEntryName(name)) return;
  rep_->ops.push_back({Kind::kRemoveEntry, dir, {}, std::string(name), {}});
}

void Edit::PutTarget(const Attr& attr, std::string_view target) {
  rep_->ops.push_back(
      {Kind::kPutTarget, attr.id, {}, std::string(target), attr});
}

void Edit::Forget(const FileId& id) {
  rep_->ops.push_back({Kind::kForget, id, {}, {}, {}});
}

void Edit::MarkIncomplete(const FileId& dir) {
  rep_->ops.push_back({Kind::kMarkIncomplete, dir, {}, {}, {}});
}

void Edit::SetLease(const FileId& dir, uint64_t lease) {
  rep_->ops.push_back({Kind::kSetLease, dir, {}, {}, {}, lease});
}

void Edit::SetCursor(const JournalPos& cursor) {
  rep_->ops.push_back(
      {Kind::kSetCursor, {}, {cursor.journal_id, cursor.sequence}, {}, {}});
}

}  // namespace warmfs::cache
