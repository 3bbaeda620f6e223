#include "hostd/overlay.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr char kFormat = '1';
// The kernel takes these away when a file is written to.
constexpr uint32_t kSetIdBits = kS_ISUID | kS_ISGID;

bool TakeNumber(std::string_view* text, uint32_t* value) {
  if (text->empty() || text->front() != ' ') return false;
  text->remove_prefix(1);
  const auto [end, error] =
      std::from_chars(text->data(), text->data() + text->size(), *value);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

bool TakeOwnerMode(std::string_view* text, OwnerMode* out) {
  return TakeNumber(text, &out->uid) && TakeNumber(text, &out->gid) &&
         TakeNumber(text, &out->mode) && out->mode <= 07777;
}

bool SameBase(const OwnerMode& a, const OwnerMode& b) {
  return a.uid == b.uid && a.gid == b.gid &&
         ((a.mode ^ b.mode) & ~kSetIdBits) == 0;
}

}  // namespace

void ApplyOverlay(std::string_view text, Attr* attr) {
  const auto stored = DecodeOverlay(text);
  const OwnerMode real = OwnerMode::Of(*attr);
  if (!stored || !SameBase(stored->real, real)) return;
  const uint32_t lost = stored->real.mode & ~real.mode & kSetIdBits;
  attr->uid = stored->wanted.uid;
  attr->gid = stored->wanted.gid;
  attr->mode = (attr->mode & kS_IFMT) | (stored->wanted.mode & ~lost);
}

std::string EncodeOverlay(const OwnerMode& wanted, const OwnerMode& real) {
  return absl::StrCat(std::string(1, kFormat), " ", wanted.uid, " ", wanted.gid,
                      " ", wanted.mode, " ", real.uid, " ", real.gid, " ",
                      real.mode);
}

std::optional<DecodedOverlay> DecodeOverlay(std::string_view text) {
  DecodedOverlay out;
  if (text.empty() || text.front() != kFormat) return std::nullopt;
  text.remove_prefix(1);
  if (!TakeOwnerMode(&text, &out.wanted)) return std::nullopt;
  if (!TakeOwnerMode(&text, &out.real) || !text.empty()) return std::nullopt;
  return out;
}

}  // namespace warmfs::hostd
