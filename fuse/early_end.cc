#include "fuse/early_end.h"

#include <utility>

namespace warmfs::fuse {

// The kernel asks for no page that is all beyond the end that it knows. Where
// in the last page that is, it was told, as far as it has taken that in.
bool EarlyEnd::Is(size_t got) const {
  return got + kPageBytes <= size_ ||
         (got < size_ && offset_ + got < fs_.tree().told(node_).at_most);
}

bool EarlyEnd::ShowAsItWas(BlockPieces& out) const {
  const auto file = fs_.tree().Look(node_);
  if (!file) return false;
  BlockPieces was;
  Version version;
  while (was.size() < size_) {
    const uint64_t at = offset_ + was.size();
    const auto block = fs_.Held(file->attr.id, at / kBlockBytes);
    const size_t start = at % kBlockBytes;
    if (!block || block->bytes->size() <= start) break;
    if (was.size() == 0) {
      version = block->version;
      // What the kernel was told since then is newer.
      if (MarkOf(version) != fs_.tree_.told(node_).version) return false;
    }
    if (block->version != version) break;
    was.Append(block->bytes, start, size_ - was.size());
    if (block->bytes->size() < kBlockBytes) break;
  }
  if (was.size() == 0 || Is(was.size())) return false;
  out = std::move(was);
  DropAgain();
  return true;
}

bool EarlyEnd::IsCrossed() const {
  return fs_.tree().told(node_).dropped_at >= begun_;
}

void EarlyEnd::Accept(size_t got) const {
  fs_.tree_.NoteTold(node_, offset_ + got, 0);
}

void EarlyEnd::DropAgain() const { fs_.DropPages(node_); }

}  // namespace warmfs::fuse
